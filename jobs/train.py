"""PROGRAM: the worked example: fit a regression on a CSV, save it, and keep what its data looked like."""

import jobs.early  # noqa: F401 - before all that takes its time to load

# isort: split
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import click
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs import cli, program
from jobs.contract import preflight, table_schema
from jobs.errors import InputRefusedError, UsageError
from jobs.handoff import inputs, outcome, uris
from jobs.handoff.storage import before_spark, storage_for
from jobs.scoring import read, session, sql, validate

QUANTILES = [0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0]
EXAMPLE = """\b
Example:
  ./submit.sh train --input train.csv --schema schemas/housing.json --label medv \\
    --features crim,zn,indus --model models/housing
"""


def with_label(schema: table_schema.TableSchema, label: str) -> table_schema.TableSchema:
    """The schema of the scoring input plus the label, which only training data has."""
    if label in schema.names:
        return schema
    field = table_schema.Field(label, "number", "double", {"required": True})
    return replace(schema, fields=(*schema.fields, field))


def baseline(predicted: DataFrame, columns: list[str]) -> dict[str, Any]:
    """Row count and, for each column, exact quantiles and the rate of nulls: what later inputs are compared with."""
    rows = predicted.count()
    nulls = predicted.select(
        *(F.expr(f"avg(CASE WHEN {sql.name(c)} IS NULL THEN 1.0D ELSE 0.0D END)") for c in columns)
    ).first()
    quantiles = predicted.approxQuantile(columns, QUANTILES, 0.0)
    described = {
        column: {"null_rate": rate, "quantiles": dict(zip(map(str, QUANTILES), values))}
        for column, rate, values in zip(columns, nulls or (), quantiles)
    }
    return {"rows": rows, "columns": described}


def train(*, input: str, schema: str, label: str, features: str, model: str) -> Mapping[str, Any]:
    """Fit `label` on `features` by least squares; saves the `PipelineModel` and, beside it, its baseline."""
    uris.check((("input", input), ("schema", schema), ("model", model)))
    agreed = with_label(table_schema.parse(inputs.text_of(schema, "schema"), schema), label)
    wanted = [name.strip() for name in features.split(",")]
    strangers = [name for name in wanted if name not in agreed.names]
    if strangers:
        raise UsageError(f"--features: {strangers[0]!r} is not in the schema {schema}")
    for option, names, kinds in (("features", wanted, preflight.NUMERIC), ("label", [label], ("number", "integer"))):
        for field in agreed.fields:
            if field.name in names and field.type not in kinds:
                raise UsageError(
                    f"--{option}: {field.name!r} is a {field.type} in the schema; a regression takes numbers"
                )
    storage = storage_for(model)
    if storage.exists(model):
        raise UsageError(
            f"--model {model}: there is something already; a published model never changes, choose a new name"
        )
    found = inputs.find((input,))
    layouts = found.layouts(agreed)
    spark = session.start(app_name="nightly-actions train", schemes=before_spark([input, model]))
    source = read.source(spark, layouts, found.parquet, agreed, size=found.size)
    rows = read.rows(spark, source, agreed)
    good = validate.check(rows, agreed, frozenset([*wanted, label]))
    with session.looked_after(spark, outcome.told):
        fits = bool(good.take(1))
    if not fits:
        raise InputRefusedError(
            f"{input}: no row fits the schema, with all features and the label there; correct the input or the schema"
        )
    stages: list[Any] = [VectorAssembler(inputCols=wanted, outputCol="features"), LinearRegression(labelCol=label)]
    kept_at = model.rstrip("/") + ".baseline.json"
    # whose file this is, the model's name is too: of two at once the other has to leave it
    if not storage.create(kept_at, b""):
        raise UsageError(
            f"--model {model}: there is a {kept_at} already; a published model never changes, choose a new name"
        )
    try:
        with session.looked_after(spark, outcome.told):
            Pipeline(stages=stages).fit(good).write().save(storage.for_spark(model))
            reloaded = PipelineModel.load(session.exactly(storage.for_spark(model)))
            kept = baseline(reloaded.transform(good), [*wanted, "prediction"])
        storage.write(kept_at, (json.dumps(kept, indent=2) + "\n").encode())
    except BaseException:
        with suppress(Exception):  # what went wrong must not be hidden by it
            for half in (model, kept_at):  # they would be in the way of the next try
                storage.delete(half)
        raise
    return {"status": "published", "model": model, "rows": kept["rows"]}


@click.command(params=cli.TRAIN, epilog=EXAMPLE)
def main(**values: Any) -> Mapping[str, Any]:
    """Fit a linear regression and save it as a PipelineModel, with a baseline of its data beside it.

    A worked example: it makes the model that ./submit.sh score is shown with. The baseline is for people to look at: score
    does not read it. A URI is a path, file://, s3:// or s3a://.
    """
    return train(**values)


if __name__ == "__main__":
    program.run(lambda: main(standalone_mode=False, prog_name="./submit.sh train"))
