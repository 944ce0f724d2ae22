"""Rows that a model leaves out: told by the gaps between the numbers of those that come out, so that no others are read again."""

from collections.abc import Mapping
from typing import Any, Optional

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.contract.table_schema import TableSchema
from jobs.scoring import aside, places, predict, read, unseen, validate
from jobs.scoring.calls import calls_of
from jobs.scoring.chain import Chain
from jobs.scoring.counters import ARRAY, Amounts, Counters, change

# how many rows are missing in front of one that is fine; less than 0 if it did not come in its order, or in its task
GAP = "_na_gap"
# up to which number a task's rows are fine or in a gap, and how many of them did not come so
REACHED, ASTRAY = "reached", "astray"
# so many are found among all lines without moving those, and looked at by one task
FEW = 500_000


def watched(scored: DataFrame) -> DataFrame:
    """`scored` with the `GAP` in front of each row that is fine, and its rows' numbers to be set aside, instead of `read.ROW_ID`.

    Fine is a row of which there is nothing to tell: neither an unusable output nor a category that the model has not seen.
    """
    calls = calls_of(scored.sparkSession)
    one = calls.held(calls.java(ARRAY)(1), ARRAY)
    expected = change(calls, one, "getAndSet", 0, f"{places.NUMBER} + 1L")
    fine = f"{predict.FAULT} IS NULL" + (f" AND NOT {unseen.KEPT}" if unseen.KEPT in scored.columns else "")
    in_task = F.when(F.expr(f"{places.TASK} = spark_partition_id()"), F.expr(places.NUMBER) - expected).otherwise(-1)
    span = f"CASE WHEN {GAP} > 0 THEN concat({read.ROW_ID} - {GAP}, ',', {read.ROW_ID} - 1, '\\n') END"
    found = Chain(scored).also({GAP: F.when(F.expr(fine), in_task)})
    return found.also({aside.ASIDE: span}).without([read.ROW_ID]).frame()


def counters(spark: SparkSession, source: read.Source, kinds: dict[str, str], last: str, amounts: Amounts) -> Counters:
    """What counts rows that are `watched`, and the gaps between them."""
    text = aside.empty(spark)
    noted = aside.noted(spark, text, aside.most(source))
    between = {REACHED: (F.expr(f"{GAP} >= 0"), f"{GAP} + 1L"), ASTRAY: (F.expr(f"{GAP} < 0"), "1L")}
    return Counters(spark, kinds, last, amounts={**amounts, **between}, beside=text, more=[noted])


def between(spark: SparkSession, told: Counters, records: Mapping[int, int]) -> dict[int, Any]:
    """Each task's text of its gaps, as `told`, up to the last of its `records`; none if a stage of the model has moved rows."""
    if any(told.each(ASTRAY).values()):
        return {}
    texts, reached = told.beside(), told.each(REACHED)
    for task, count in records.items():
        first, upto = task << places.TASK_SHIFT, reached.get(task, 0)
        if upto < count:
            texts.setdefault(task, aside.empty(spark)[0]).append(f"{first + upto},{first + count - 1}\n")
    return texts


def rest(
    spark: SparkSession, source: read.Source, schema: TableSchema, required: frozenset[str], count: int
) -> Optional[DataFrame]:
    """Those of `read.rows` with their place that are not fine, about `count`, kept at hand; None if they cannot be told or are many."""
    told = source.gaps and count <= FEW
    ids = aside.lines(spark, list(source.gaps.values()), aside.most(source)) if told else None
    if not ids:
        return None
    numbers = ids.selectExpr(f"explode(sequence({read.ROW_ID}, CAST(line AS bigint))) AS {read.ROW_ID}")
    rows = read.rows(spark, source, schema, keep=read.PLACE, pick=_picker(numbers)).repartition(1)
    return validate.both(validate.fenced(rows), schema, required).persist()


def _picker(numbers: DataFrame) -> read.Pick:
    """What leaves of each scan, one after the other, the rows with the `numbers`: the tasks of all are numbered through."""
    tasks_before = 0

    def pick(scan: DataFrame) -> DataFrame:
        nonlocal tasks_before
        java: Any = scan
        tasks = java._jdf.queryExecution().toRdd().getNumPartitions()
        first, end = (task << places.TASK_SHIFT for task in (tasks_before, tasks_before + tasks))
        tasks_before += tasks
        own = numbers.where(f"{read.ROW_ID} BETWEEN {first} AND {end - 1}").selectExpr(
            f"{read.ROW_ID} - {first} AS {read.ROW_ID}"
        )
        return scan.join(F.broadcast(own), read.ROW_ID, "left_semi")

    return pick
