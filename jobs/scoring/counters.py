"""Counters of rows, held by each task within the generated code that works its rows out (docs/decisions/0015).

An observation, Spark's own means, parts that code where it stands, and takes some 15 ns a row for each count.
"""

import json
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import and_
from typing import Any, Optional, Union

from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from jobs.scoring.calls import Calls, calls_of
from jobs.scoring.chain import Chain

ARRAY = "java.util.concurrent.atomic.AtomicLongArray"
ACCUMULATOR = "org.apache.spark.util.CollectionAccumulator"
# the first place of a task's array: its number, from 1
TASK = "0"
# where no number has been yet
LEAST = -(1 << 63)
SUSPECTS, FIRST, LAST = "suspects", "first", "last"
# a row's kind, from 1
KIND, COUNTED = "_na_kind", "_na_counted"
Amounts = dict[str, tuple[Column, str]]


def change(calls: Calls, array: Any, method: str, place: Union[int, str], *values: str) -> Column:
    """What stands at a place of an `ARRAY` that is `Calls.held`, before the method has changed it by `values` (SQL)."""
    given = (calls.sql(f"CAST({value} AS bigint)") for value in values)
    at = calls.sql(str(place))
    return calls.column(calls.method(array, method, calls.kind("bigint"), at, *given, lasting=True))


class Counters:
    """Counts rows by kind, each of the first kind whose SQL condition it meets or else of the last; and adds up `amounts`.

    These are conditions and SQL of how much is added where they hold, by name. `ascending` is a column of whole numbers, of which
    those are `SUSPECTS` that are not above the one before, in their task or in the tasks one after another by their first number.
    `beside` is a Java object (with its class) that each task fills a copy of, by a column `more` that is true; and `aggregates` are
    observed, which no counter could work out.
    """

    def __init__(
        self,
        spark: SparkSession,
        kinds: dict[str, str],
        last: str,
        *,
        amounts: Optional[Amounts] = None,
        ascending: Optional[str] = None,
        beside: Optional[tuple[Any, str]] = None,
        more: Sequence[Column] = (),
        aggregates: Sequence[Column] = (),
    ) -> None:
        """For frames of `spark`; one object counts at one place of one frame."""
        context: Any = spark.sparkContext
        self._calls = calls_of(spark)
        self._kinds, self._last, self._amounts = kinds, last, amounts or {}
        self._ascending, order = ascending, (SUSPECTS, FIRST, LAST) if ascending else ()
        self._names = (*kinds, last, *self._amounts, *order)
        array = self._calls.java(ARRAY)(len(self._names) + 1)
        for name in order[1:]:
            array.set(self._place(name), LEAST)
        self._held = [self._calls.held(*it) for it in ((array, ARRAY), beside) if it]
        # each task puts its copies in when it meets its first row; they come to the driver with its result, as it left them
        self._sent = [context._jsc.sc().collectionAccumulator() for _ in self._held]
        self._more, self._aggregates, self._observed = more, aggregates, Observation()

    def counting(self, frame: DataFrame) -> DataFrame:
        """`frame`, each row of which is counted when what comes of it is written. No filter behind it is pushed in front of it."""
        if self._aggregates:
            frame = frame.observe(self._observed, *self._aggregates)
        cases = " ".join(f"WHEN {condition} THEN {number}" for number, condition in enumerate(self._kinds.values(), 1))
        kind = f"CASE {cases} ELSE {self._place(self._last)} END" if cases else f"{self._place(self._last)}"
        first = F.when(self._change("getAndSet", TASK, "spark_partition_id() + 1L") == 0, self._send()).otherwise(True)
        counted = [F.when(self._change("getAndAdd", KIND, "1L") == 0, first).otherwise(True)]
        for name, (when, amount) in self._amounts.items():
            counted.append(F.when(when, self._add(name, amount)).otherwise(True))
        if self._ascending:
            counted.append(F.when(F.col(self._ascending).isNotNull(), self._in_order(self._ascending)).otherwise(True))
        kinds = Chain(frame).also({KIND: kind}).also({COUNTED: reduce(and_, [*counted, *self._more])}).frame()
        # where each of its columns is used twice, a step gets a method of its own: that in which a row spends its time has no room
        return kinds.where(f"{COUNTED} AND {KIND} > 0").drop(KIND, COUNTED)

    def start(self) -> None:
        """Forget what jobs so far have counted."""
        for sent in self._sent:
            sent.reset()

    def totals(self) -> dict[str, int]:
        """What has been counted since, by kind and amount."""
        tasks = {task: counts for task, *counts in self._counted()}
        totals = {name: sum(counts[at] for counts in tasks.values()) for at, name in enumerate(self._names)}
        if self._ascending:
            del totals[FIRST], totals[LAST]
            spans = sorted((first, last) for *_, first, last in tasks.values() if last > LEAST)
            totals[SUSPECTS] += sum(last >= first for (_, last), (first, _) in zip(spans, spans[1:]))
        return totals

    def observed(self) -> Mapping[str, Any]:
        """What the aggregates have come to, by name."""
        # Java's own map: a way through it ends in an exception, about whose kind PySpark asks the JVM dozens of times
        java: Any = self._observed
        found: Mapping[str, Any] = java._jo.getAsJava()
        return found

    def rows(self) -> dict[int, int]:
        """How many rows each task, from 0, has counted since; tasks without rows are left out."""
        return {task - 1: sum(counts[: len(self._kinds) + 1]) for task, *counts in self._counted()}

    def each(self, name: str) -> dict[int, int]:
        """What each task, from 0, has counted since of one kind or amount; tasks without rows are left out."""
        return {task - 1: counts[self._place(name) - 1] for task, *counts in self._counted()}

    def beside(self) -> dict[int, Any]:
        """The tasks' copies of what was `beside`."""
        sent = self._sent[1].value() if len(self._sent) > 1 else []
        return {task - 1: copy for (task, *_), copy in zip(self._counted(), sent)}

    def _counted(self) -> list[list[int]]:
        """Tasks' numbers, from 1, with their counts, as they came: of one that ran again, as its machine was lost, the last count."""
        counted: list[list[int]] = json.loads(self._sent[0].value().toString())
        return counted

    def _place(self, name: str) -> int:
        return self._names.index(name) + 1

    def _add(self, name: str, amount: str) -> Column:
        """Add to a count, none of which is ever less than 0; true."""
        return self._change("getAndAdd", self._place(name), amount) >= 0

    def _in_order(self, column: str) -> Column:
        """Compare with the number before; true."""
        none_yet = self._change("get", self._place(FIRST)) == LEAST
        first = F.when(none_yet, self._change("getAndSet", self._place(FIRST), column) == LEAST).otherwise(True)
        above = F.col(column) > self._change("getAndSet", self._place(LAST), column)
        return first & F.when(above, True).otherwise(self._add(SUSPECTS, "1"))

    def _change(self, method: str, place: Union[int, str], *values: str) -> Column:
        return change(self._calls, self._held[0], method, place, *values)

    def _send(self) -> Column:
        """Put the task's copies into the accumulators; true. `add` has no result, so it is called as a setter is."""
        calls, filled = self._calls, list[Column]()
        for sent, held in zip(self._sent, self._held):
            put = calls.set(calls.held(sent, ACCUMULATOR), "add", held)
            filled.append(~calls.column(calls.method(put, "isZero", calls.kind("boolean"), lasting=True)))
        return reduce(and_, filled)
