"""Where one method of generated code ends and the next begins: the JVM compiles none of more than 8,000 bytes (docs/decisions/0009)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from typing import Any, TypeVar

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.scoring.calls import EXPRESSIONS, analysed, calls_of
from jobs.scoring.chain import Chain

# columns whose cells are found, checked and typed in one method: more of them are parted
COLUMNS = 6
# how many are in a method then: cells cut, or cells checked
CELLS, CHECKS = 6, 3
# steps for which it does not pay to analyse each by itself
FEW_STEPS = 6
Item = TypeVar("Item")
Step = Callable[[Chain], Chain]


def one_by_one(frame: DataFrame, steps: Iterable[Step]) -> DataFrame:
    """`frame` with one of `steps` behind the other, none of which looks at rows. If they are many, Spark analyses each by itself."""
    steps = list(steps)
    if len(steps) <= FEW_STEPS:
        return reduce(lambda made, step: step(made), steps, Chain(frame)).frame()
    calls = calls_of(frame.sparkSession)
    plan, nodes, made = analysed(frame), list[Any](), frame
    for step in steps:
        stub = calls.stub(analysed(made))
        made = step(Chain(calls.frame(stub))).frame()
        nodes += reversed(list(_down_to(stub, analysed(made))))
    for node in nodes:
        plan = node.withNewChildren(calls.seq([plan]))
    return calls.frame(plan)


def _down_to(end: Any, plan: Any) -> Iterator[Any]:
    """The nodes of `plan`, each of which has one child, as far as `end`."""
    while not plan.fastEquals(end):
        yield plan
        plan = plan.child()


def parted(frame: DataFrame, column: str, other: str) -> DataFrame:
    """`frame`; what is worked out behind it is a method of its own, and no stage, between which rows would be copied.

    Spark makes a method of a step in which each of the columns that come into it is used twice. They are, in a condition that never
    holds, which Spark cannot know; if it did, `column` would be `other` (SQL).
    """
    calls = calls_of(frame.sparkSession)
    every = calls.columns_of(frame)
    once, twice = (calls.column(calls.java(f"{EXPRESSIONS}.AtLeastNNonNulls")(n, every)) for n in (1, 2))
    never = F.expr("spark_partition_id() < 0") & once & twice
    return planned_apart(frame.withColumn(column, F.when(never, F.expr(other)).otherwise(F.col(column))))


def planned_apart(frame: DataFrame) -> DataFrame:
    """`frame`, all of its rows; Spark plans what is in front of it and what is behind each by itself, and no stage ends there.

    Planning a step, it looks at all those in front of it, again and again: of a hundred steps it took a quarter of a minute.
    """
    return frame.sample(False, 1.0, 0)


def on_a_frame(step: Callable[[DataFrame], DataFrame]) -> Step:
    """A step that is no projection."""
    return lambda chain: Chain(step(chain.frame()))


def groups(columns: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """`columns`, parted if there are more than `COLUMNS`, so that about `size` are worked out in each method."""
    size = len(columns) if len(columns) <= COLUMNS else size
    for start in range(0, len(columns), size):
        yield columns[start : start + size]
