"""Where one method of generated code ends and the next begins: the JVM compiles none of more than 8,000 bytes (docs/decisions/0009)."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.scoring.calls import EXPRESSIONS, Calls

# columns whose cells are found, checked and typed in one method: more of them are parted
COLUMNS = 6
# how many are in a method then: cells cut, or cells checked
CELLS, CHECKS = 6, 3
Item = TypeVar("Item")


def parted(frame: DataFrame, column: str, other: str) -> DataFrame:
    """`frame`; what is worked out behind it is a method of its own, and no stage, between which rows would be copied.

    Spark makes a method of a step in which each of the columns that come into it is used twice. They are, in a condition that never
    holds, which Spark cannot know; if it did, `column` would be `other` (SQL).
    """
    calls = Calls(frame.sparkSession)
    every = calls.columns_of(frame)
    once, twice = (calls.column(calls.java(f"{EXPRESSIONS}.AtLeastNNonNulls")(n, every)) for n in (1, 2))
    never = F.expr("spark_partition_id() < 0") & once & twice
    return planned_apart(frame.withColumn(column, F.when(never, F.expr(other)).otherwise(F.col(column))))


def planned_apart(frame: DataFrame) -> DataFrame:
    """`frame`, all of its rows; Spark plans what is in front of it and what is behind each by itself, and no stage ends there.

    Planning a step, it looks at all those in front of it, again and again: of a hundred steps it took a quarter of a minute.
    """
    return frame.sample(False, 1.0, 0)


def groups(columns: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """`columns`, parted if there are more than `COLUMNS`, so that about `size` are worked out in each method."""
    size = len(columns) if len(columns) <= COLUMNS else size
    for start in range(0, len(columns), size):
        yield columns[start : start + size]
