"""What every row meets is compiled: the JVM leaves a method of more than 8,000 bytes to its interpreter, and nothing says so."""

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyspark
import pytest
from pyspark.ml.feature import OneHotEncoder, SQLTransformer, StringIndexer, VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import DataFrame, SparkSession

from jobs import score
from jobs.contract import gates, policy, preflight, saved_model, table_schema
from jobs.contract.agreed import Agreed
from jobs.handoff import inputs
from jobs.scoring import commas, methods, prepare, read, rejects, shapes, splits, unique, validate, windows
from jobs.scoring.model import load_model
from tests.support import models
from tests.support.runs import REPO, SCHEMA

# DontCompileHugeMethods, HugeMethodLimit: the JVM's own figures
COMPILED_BYTES = 8000
# planning takes as long as the square of it
MOST_TOGETHER = 10
EXAMPLE = REPO / "examples/housing"
PLACE = [f"'file' AS {read.FILE}", f"0L AS {read.BLOCK}", f"0L AS {read.ROW_ID}"]


@pytest.mark.parametrize("keys", ["gathered", "in-order", "texts", "repeated", "line-ends"])
def test_no_method_of_the_example_is_left_to_the_interpreter(
    keys: str, spark: SparkSession, housing_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if keys != "gathered":
        monkeypatch.setattr(splits, "SMALL_BYTES", 0)
    agreed, rows = example(spark, housing_model, "string" if keys == "texts" else "integer")
    if keys == "repeated":
        later = spark.range(1).selectExpr(f"id AS {unique.NUMBER}", f"'unique-error:ID' AS {unique.REPEATED}", *PLACE)
        rows = prepare.prepared(spark, replace(rows.source, repeated=later), agreed)
    if keys == "line-ends":
        stitched = windows.Stitched(
            spark.range(1).selectExpr(f"id AS {windows.OF}", f"'' AS {windows.WHOLE}"), few=True
        )
        rows = prepare.prepared(spark, replace(rows.source, broken=dict.fromkeys(rows.source.csv, stitched)), agreed)
    assert (unique.WATCHED in rows.records.columns) is (keys in ("in-order", "texts", "line-ends"))
    lines, seen, _ = score.journey(rows, agreed, load_model(spark, str(housing_model), agreed.saved))
    lines.write.format("noop").mode("overwrite").save()
    one_pass = replace(rows.source, records=seen.rows(), aside=seen.beside())
    frames = [lines]
    for source in (one_pass, rows.source):
        found = rejects.find(spark, source, agreed.schema, agreed.needs.required, None)
        assert found.in_order is (source is one_pass and keys != "line-ends")
        frames.append(rejects.lines(found, agreed.schema, count=1)[0])
    if keys == "line-ends":
        ((_, all_lines),) = read.csv_lines(spark, rows.source, located=True)
        frames.append(windows._joined(all_lines, frozenset([1])))
    for frame in frames:
        sizes = method_sizes(spark, frame)
        assert sizes
        assert max(sizes) <= COMPILED_BYTES


def test_no_method_of_a_pipeline_of_many_stages_is_left_to_the_interpreter(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splits, "SMALL_BYTES", 0)
    homes = models.rows(
        spark, "crim double, zn double, indus double, medv double", (0.1, 1.0, 2.0, 3.0), (0.2, 2.0, 1.0, 4.0)
    )
    stages = [
        SQLTransformer(statement="SELECT *, CAST(CAST(zn AS int) AS string) AS zn_text FROM __THIS__"),
        StringIndexer(inputCol="zn_text", outputCol="zn_index", handleInvalid="keep"),
        OneHotEncoder(inputCol="zn_index", outputCol="zn_vector"),
        VectorAssembler(inputCols=["crim", "indus", "zn_vector"], outputCol="features"),
        LinearRegression(labelCol="medv", regParam=0.1),
    ]
    saved = models.saved(models.fitted(homes, *stages), tmp_path / "one-hot")
    agreed, rows = example(spark, saved)
    lines, *_ = score.journey(rows, agreed, load_model(spark, str(saved), agreed.saved))
    assert max(method_sizes(spark, lines)) <= COMPILED_BYTES


# each with all that may be asked of it
KINDS: dict[str, dict[str, Any]] = {
    "decimal": {"type": "number", "spark:type": "decimal(10,3)", "constraints": {"minimum": 0, "enum": [*range(9)]}},
    "number": {"type": "number", "constraints": {"minimum": 0, "maximum": 9, "enum": [*range(9)]}},
    "integer": {"type": "integer", "constraints": {"required": True, "maximum": 9, "enum": [*range(9)]}},
    "string": {"constraints": {"required": True, "pattern": "t.*", "minLength": 1, "maxLength": 9, "enum": ["t", "u"]}},
    "date": {
        "type": "date",
        "constraints": {"required": True, "minimum": "2020-01-01", "maximum": "2030-01-01", "enum": ["2026-01-01"]},
    },
    "datetime": {
        "type": "datetime",
        "constraints": {
            "required": True,
            "minimum": "2020-01-01T00:00:00",
            "maximum": "2030-01-01T00:00:00",
            "enum": ["2026-01-01T00:00:00"],
        },
    },
    "boolean": {"type": "boolean"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_thirty_columns_are_worked_out_in_one_stage_whose_methods_are_compiled(
    kind: str, spark: SparkSession, tmp_path: Path
) -> None:
    fields = [{"name": f"c{at}", **KINDS[kind]} for at in range(commas.MOST_CELLS)]
    raw = {"fields": fields, "primaryKey": "c0", "missingValues": ["", "NA", "-", "?", "null", "n/a", "-999"]}
    schema = table_schema.parse(json.dumps(raw), "schema.json")
    (tmp_path / "in.csv").write_text(",".join(schema.names) + "\n")
    found = inputs.find((str(tmp_path / "in.csv"),))
    source = read.source(spark, found.layouts(schema), [], schema, size=found.size)
    assert read.by_bytes(source)
    rows = read.rows(spark, source, schema, keep=(shapes.LINE,))
    judged = validate.judged(rows, schema, frozenset(), keep=(shapes.LINE,), parted=True)
    (size,) = method_sizes(spark, judged)
    assert size <= COMPILED_BYTES
    assert 1 < planned_together(judged) <= MOST_TOGETHER


def test_all_rows_come_through_where_planning_is_parted(spark: SparkSession) -> None:
    rows = spark.range(3_000_000, numPartitions=3)
    assert methods.planned_apart(rows).selectExpr("count(id)", "sum(id)").first() == (3_000_000, 4_499_998_500_000)


@pytest.mark.parametrize("count", [3, 30])
def test_steps_see_the_columns_of_the_one_before_and_of_many_none_sees_more(spark: SparkSession, count: int) -> None:
    seen = []

    def step(frame: DataFrame) -> DataFrame:
        java: Any = frame
        seen.append(len(java._jdf.queryExecution().analyzed().treeString().splitlines()))
        return frame.selectExpr("id + 1 AS id").where("id > 1")

    ids = methods.one_by_one(spark.range(4), [methods.on_a_frame(step)] * count).collect()
    assert sorted(row.id for row in ids) == list(range(count + 1, count + 4))
    assert seen == ([1] * 30 if count == 30 else [1, 3, 5])


def example(spark: SparkSession, model: Path, key: str = "integer") -> tuple[Agreed, prepare.Prepared]:
    """The example's rows, and its schema and policy, for `model`; with another type of `key`."""
    own = json.loads(SCHEMA.read_text())
    own["fields"][0]["type"] = key
    schema = table_schema.parse(json.dumps(own), str(SCHEMA))
    rules = policy.parse((EXAMPLE / "policy.json").read_text(), "policy.json")
    saved = saved_model.parse(inputs.model_metadata(str(model)), str(model))
    needs = preflight.check(saved, schema, where=str(model), running_spark=pyspark.__version__)
    agreed = Agreed(schema, rules, gates.Gates("0", 1, {}), saved, needs)
    found = inputs.find((str(EXAMPLE / "input.csv"),))
    return agreed, prepare.look(spark, found.layouts(schema), [], agreed, size=found.size)


def planned_together(frame: DataFrame) -> int:
    """The longest run of steps of the plan in which Spark, for each of them, looks at all those in front of it."""
    java: Any = frame
    steps = java._jdf.queryExecution().optimizedPlan().toString().splitlines()
    runs = itertools.groupby(steps, key=lambda step: re.match(r"[ :+-]*(Project|Filter)\b", step) is not None)
    return max(len(list(run)) for projects, run in runs if projects)


def method_sizes(spark: SparkSession, frame: DataFrame) -> list[int]:
    """Bytes of the largest method of each stage that Spark generates code for."""
    jvm: Any = spark.sparkContext._jvm
    mode = jvm.org.apache.spark.sql.execution.ExplainMode.fromString("codegen")
    spark.conf.set("spark.sql.adaptive.enabled", "false")  # which makes a plan without code, until it runs
    try:
        told: str = frame._jdf.queryExecution().explainString(mode)
    finally:
        spark.conf.unset("spark.sql.adaptive.enabled")
    return [int(size) for size in re.findall(r"maxMethodCodeSize:(\d+)", told)]
