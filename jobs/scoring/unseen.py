"""Categories that the model has not seen when it was fitted: on how many rows, and which of them most often."""

from collections.abc import Iterator
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.scoring import guards, sql
from jobs.scoring.calls import STRING, calls_of
from jobs.scoring.model import ML, JvmStage, Model

MOST_FREQUENT = 10
KEPT = "_na_unseen"


def flagged(scored: DataFrame, model: Model) -> DataFrame:
    """`scored` with `KEPT`: whether a stage that keeps what it has not seen, as one further category, met such a value.

    Without the column where there is no such stage.
    """
    columns = scored.columns
    tests = [
        f"({sql.name(column)} IS NOT NULL AND {sql.name(output)} = {len(labels)})"
        for java in _keeping(model, "StringIndexerModel")
        for column, output, labels in zip(
            guards.columns(java, "input"), guards.columns(java, "output"), java.labelsArray()
        )
        if column in columns and output in columns
    ]
    tests += [test for column, test in _out_of_range(_keeping(model, "OneHotEncoderModel")) if column in columns]
    return scored.withColumn(KEPT, F.expr(f"coalesce({' OR '.join(tests)}, false)")) if tests else scored


def categories(good: DataFrame, model: Model) -> dict[str, dict[str, Any]]:
    """For each column of `good`, the rows with an unseen category (`rows`) and those values with their counts.

    A pass of its own over these. Columns that the pipeline makes itself are not looked at.
    """
    encoders = model.of_kind("OneHotEncoderModel")
    frame, tests = good, {column: test for column, test in _out_of_range(encoders) if column in good.columns}
    for number, java in enumerate(model.of_kind("StringIndexerModel")):
        outputs = [f"_na_index {number} {name}" for name in guards.columns(java, "output")]
        frame = _indexed(frame, java, outputs)
        for column, output, labels in zip(guards.columns(java, "input"), outputs, java.labelsArray()):
            if column in good.columns and output in frame.columns:
                tests[column] = f"{sql.name(output)} = {len(labels)}"
    if not tests:
        return {}
    pairs = ", ".join(
        f"{sql.text(column)}, CASE WHEN {test} THEN CAST({sql.name(column)} AS string) END"
        for column, test in tests.items()
    )
    unseen = frame.selectExpr(f"stack({len(tests)}, {pairs}) AS (column, value)").where("value IS NOT NULL")
    counted = unseen.groupBy("column", "value").count()
    ranked = counted.selectExpr(
        "*",
        "sum(count) OVER (PARTITION BY column) AS rows",
        "row_number() OVER (PARTITION BY column ORDER BY count DESC, value) AS rank",
    )
    found: dict[str, dict[str, Any]] = {}
    for row in ranked.where(F.col("rank") <= MOST_FREQUENT).orderBy("column", "rank").collect():
        of_column = found.setdefault(row["column"], {"rows": row["rows"], "most_frequent": {}})
        of_column["most_frequent"][row["value"]] = row["count"]
    return found


def _keeping(model: Model, kind: str) -> list[Any]:
    return [java for java in model.of_kind(kind) if java.getHandleInvalid() == "keep"]


def _out_of_range(encoders: list[Any]) -> Iterator[tuple[str, str]]:
    """Each encoder's columns, and SQL for a number that it has no place for."""
    for java in encoders:
        for column, size in zip(guards.columns(java, "input"), java.categorySizes()):
            yield column, f"NOT {guards.known(column, size)}"


def _indexed(frame: DataFrame, java: Any, outputs: list[str]) -> DataFrame:
    """`frame` with the indexer's outputs under other names; what it has not seen gets the index after the last."""
    calls = calls_of(frame.sparkSession)
    keeping = java.copy(calls.java(f"{ML}.param.ParamMap")())
    keeping.set(keeping.getParam("handleInvalid"), "keep")
    if keeping.isSet(keeping.getParam("outputCols")):
        keeping.set(keeping.getParam("outputCols"), calls.array_of(STRING, outputs))
    else:
        keeping.set(keeping.getParam("outputCol"), outputs[0])
    return JvmStage(keeping, "StringIndexerModel", is_sparks=True).transform(frame)
