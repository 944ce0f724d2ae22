"""The first and the last byte of a cell: nearly every number is known by them, without a regular expression."""

from collections.abc import Iterator

from pyspark.sql import Column, DataFrame

from jobs.scoring import sql
from jobs.scoring.calls import EXPRESSIONS, Calls

PLATFORM = "org.apache.spark.unsafe.Platform"


def probes(names: list[str]) -> list[str]:
    """SQL to select beside the text columns `names`, for `looked_at`."""
    # a blank is no number, and what is never null spares the code after it many a test
    return [
        f"coalesce(CASE WHEN {sql.name(name)} = '' THEN ' ' ELSE {sql.name(name)} END, ' ') AS {probe(name)}"
        for name in names
    ]


def looked_at(frame: DataFrame, names: list[str]) -> DataFrame:
    """`frame`, which has the `probes` of `names`, with their first and last bytes."""
    calls = Calls(frame.sparkSession)
    return frame.select("*", *(edge for name in names for edge in _edges(calls, name)))


def as_a_number(name: str) -> str:
    """SQL: whether the cell starts and ends as a number does."""
    return f"{first(name)} >= {ord('+')} AND {_last(name)} BETWEEN {ord('0')} AND {ord('9')}"


def first(name: str) -> str:
    """SQL for the first byte."""
    return sql.name("_na_first " + name)


def _last(name: str) -> str:
    return sql.name("_na_last " + name)


def probe(name: str) -> str:
    """SQL for the cell's text, never null; a blank where it is missing."""
    return sql.name("_na_probe " + name)


def _edges(calls: Calls, name: str) -> Iterator[Column]:
    cell, long = calls.sql(probe(name)), calls.kind("bigint")
    start = calls.method(cell, "getBaseOffset", long)
    array = calls.method(cell, "getBaseObject", calls.object_of("java.lang.Object"))
    length = calls.sql(f"CAST(octet_length({probe(name)}) - 1 AS bigint)")
    end = calls.java(f"{EXPRESSIONS}.Add")(start, length)
    for column, at in ((first(name), start), (_last(name), end)):
        yield calls.column(calls.static(PLATFORM, "getByte", calls.kind("tinyint"), array, at)).alias(column.strip("`"))
