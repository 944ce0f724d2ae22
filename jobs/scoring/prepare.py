"""A row's way as far as no model is needed: what is read, each record judged, and what is counted of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

from pyspark.sql import Column, DataFrame, SparkSession

from jobs.contract.agreed import Agreed
from jobs.contract.header import Layout
from jobs.scoring import read, sieve, unique, validate


@dataclass(frozen=True)
class Prepared:
    """`records` of `source` as `validate.judged` gives them, and `counted`, the aggregates that are wanted of them.

    With `exact` they have their place besides, so that the first of several with one key can be told.
    """

    source: read.Source
    records: DataFrame
    counted: list[Column]
    exact: bool

    @property
    def spark(self) -> SparkSession:
        """The session of its frames."""
        return self.records.sparkSession

    @property
    def place(self) -> tuple[str, ...]:
        """The columns that tell a record's place, where it has one."""
        return read.PLACE if self.exact else ()


def look(
    spark: SparkSession, layouts: Mapping[Layout, list[str]], parquet: list[str], agreed: Agreed, *, size: int
) -> Prepared:
    """Look at the files, `size` bytes in all, as far as it goes without reading them: at the first key of each task."""
    source = read.source(spark, layouts, parquet, agreed.schema, size=size)
    return prepared(spark, source, agreed, expected=unique.ranges(spark, source, agreed.schema))


def prepared(
    spark: SparkSession,
    source: read.Source,
    agreed: Agreed,
    *,
    expected: Optional[unique.Ranges] = None,
    exact: bool = False,
) -> Prepared:
    """The records of `source`, with a proof on the way that no key comes twice where one is to be had."""
    sieved = read.one_scan(source) and not exact
    keep = read.PLACE if exact else (read.LINE,) if sieved else ()
    rows = read.rows(spark, source, agreed.schema, keep=keep)
    records = validate.judged(rows, agreed.schema, agreed.needs.required, keep=keep)
    counted = validate.shapes()
    if sieved:
        records, rejected = sieve.watched(records, source)
        counted.append(rejected)
    if not exact:
        records, suspects = unique.watched(records, source, agreed.schema, expected)
        counted += suspects
    return Prepared(source, records, counted, exact)
