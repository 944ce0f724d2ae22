"""A Bloom filter of the lines that are no valid rows: filled on the one pass, so that a second looks into few others."""

from typing import Any, Optional

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.scoring import read, session, validate
from jobs.scoring.calls import Calls

BLOOM = "org.apache.spark.util.sketch.BloomFilter"
REJECTED = "_na_rejected"
HASHED = "xxhash64({})".format
# a bit for so many bytes of input: some ten for each of 1% of lines as short as 30 bytes
BYTES_A_BIT, BITS_A_LINE = 256, 10
LEAST_BITS, MOST_BITS = 1 << 16, 1 << 23
# each task sends one to the driver, which holds them all until the last is there
MOST_BITS_IN_ALL = 1 << 27


def watched(records: DataFrame) -> DataFrame:
    """`records` with their `read.LINE` as `REJECTED` where they are not valid, else null."""
    return records.withColumn(REJECTED, F.expr(f"CASE WHEN NOT {validate.VALID} THEN {read.LINE} END")).drop(read.LINE)


def empty(spark: SparkSession, source: read.Source) -> Any:
    """A filter for the lines of `source`: a Java object."""
    tasks = source.csv_files + source.size // session.split_bytes(source.size)
    bits = min(max(source.size // BYTES_A_BIT, LEAST_BITS), MOST_BITS, MOST_BITS_IN_ALL // tasks)
    return Calls(spark).java(BLOOM).create(bits // BITS_A_LINE, bits)


def held(filled: Any) -> tuple[Any, str]:
    """A filter and its class."""
    return filled, BLOOM


def noted(spark: SparkSession, filled: Any) -> Column:
    """Put what is `REJECTED` into the filter; true."""
    calls = Calls(spark)
    put = calls.method(
        calls.held(*held(filled)), "putLong", calls.kind("boolean"), calls.sql(HASHED(REJECTED)), lasting=True
    )
    # whether it is new there, of which nothing is wanted; Spark's own OR would not ask
    done = calls.static("java.lang.Boolean", "logicalOr", calls.kind("boolean"), put, calls.sql("true"))
    return F.when(F.col(REJECTED).isNotNull(), calls.column(done)).otherwise(True)


def merged(filters: list[Any]) -> Optional[Any]:
    """All that the tasks have put into theirs."""
    if not filters:
        return None
    first, *others = filters
    for other in others:
        first.mergeInPlace(other)
    return first


def kept(lines: DataFrame, rejected: Any) -> DataFrame:
    """Those of `lines` that are in the filter, and some that are not."""
    calls = Calls(lines.sparkSession)
    within = calls.method(
        calls.held(*held(rejected)), "mightContainLong", calls.kind("boolean"), calls.sql(HASHED("line"))
    )
    return lines.where(calls.column(within))
