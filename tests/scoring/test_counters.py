"""Counters in generated code count what Python counts, once a task, whatever becomes of a row behind them."""

from collections.abc import Iterator

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.scoring.counters import Counters

ROWS, TASKS = 10_000, 7
KINDS = {"threes": "id % 3 = 0", "fives": "id % 5 = 0"}
# each row counts for the first kind that it is of
EXPECTED = {
    "threes": sum(n % 3 == 0 for n in range(ROWS)),
    "fives": sum(n % 5 == 0 and n % 3 != 0 for n in range(ROWS)),
    "others": sum(n % 5 != 0 and n % 3 != 0 for n in range(ROWS)),
    "big": sum(range(5000, ROWS)),
}


@pytest.fixture(params=["generated", "step by step", "interpreted"])
def rows(request: pytest.FixtureRequest, spark: SparkSession) -> Iterator[DataFrame]:
    """Numbers in several tasks; what is worked out of them is in one method, in one a step, or not compiled at all."""
    settings = {
        "spark.sql.codegen.wholeStage": str(request.param == "generated").lower(),
        "spark.sql.codegen.factoryMode": "NO_CODEGEN" if request.param == "interpreted" else "FALLBACK",
    }
    for name, value in settings.items():
        spark.conf.set(name, value)
    yield spark.range(0, ROWS, 1, TASKS).toDF("id")
    for name in settings:
        spark.conf.unset(name)


def write(frame: DataFrame) -> None:
    frame.write.format("noop").mode("overwrite").save()


def test_rows_are_counted_by_kind_and_amounts_are_added_up(rows: DataFrame) -> None:
    counters = Counters(rows.sparkSession, KINDS, "others", amounts={"big": (F.expr("id >= 5000"), "id")})
    write(counters.counting(rows))
    assert counters.totals() == EXPECTED
    assert counters.rows() == {n: ROWS * (n + 1) // TASKS - ROWS * n // TASKS for n in range(TASKS)}


def test_what_is_left_out_behind_the_counters_has_been_counted(rows: DataFrame) -> None:
    counters = Counters(rows.sparkSession, KINDS, "others", amounts={"big": (F.expr("id >= 5000"), "id")})
    left = counters.counting(rows).where("id % 2 = 0").select("id")
    assert [row[0] for row in left.collect()] == list(range(0, ROWS, 2))
    assert counters.totals() == EXPECTED


def test_a_task_that_runs_again_counts_once(rows: DataFrame) -> None:
    counters = Counters(rows.sparkSession, KINDS, "others", amounts={"big": (F.expr("id >= 5000"), "id")})
    for _ in range(2):
        write(counters.counting(rows))
    assert counters.totals() == EXPECTED


def test_nothing_of_an_earlier_job_is_left_once_they_start_anew(rows: DataFrame) -> None:
    counters = Counters(rows.sparkSession, KINDS, "others", amounts={"big": (F.expr("id >= 5000"), "id")})
    counted = counters.counting(rows)
    write(counted)
    counters.start()
    write(counted.where("id < 0"))
    assert counters.totals() == EXPECTED
    counters.start()
    assert counters.totals() == dict.fromkeys(EXPECTED, 0)


def test_tasks_without_rows_and_aggregates_beside(rows: DataFrame) -> None:
    counters = Counters(rows.sparkSession, {}, "rows", aggregates=[F.max("id").alias("most")])
    write(counters.counting(rows.where("id < 3")))
    assert counters.totals() == {"rows": 3}
    assert dict(counters.observed()) == {"most": 2}


@pytest.mark.parametrize(
    ("numbers", "suspects"),
    [
        pytest.param("id", 0, id="ascending"),
        pytest.param("-id", ROWS - TASKS, id="descending"),
        # each task's numbers ascend; the tasks' own order does not matter
        pytest.param("id - 5000 * spark_partition_id()", 0, id="tasks-in-another-order"),
        pytest.param("id - 1000 * spark_partition_id()", TASKS - 1, id="tasks-overlap"),
        pytest.param("CASE WHEN id % 2 = 0 THEN id END", 0, id="some-missing"),
        pytest.param("CASE WHEN id = 700 THEN 699 ELSE id END", 1, id="one-twice"),
        pytest.param("CAST(NULL AS bigint)", 0, id="none"),
    ],
)
def test_numbers_are_ascending_where_none_is_suspected(numbers: str, suspects: int, rows: DataFrame) -> None:
    counters = Counters(rows.sparkSession, {}, "rows", ascending="number")
    write(counters.counting(rows.selectExpr(f"{numbers} AS number")))
    assert counters.totals() == {"rows": ROWS, "suspects": suspects}
