"""A Bloom filter of the lines that are no valid rows: filled on the one pass, so that a second looks into few others."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.scoring import read, session, validate
from jobs.scoring.calls import EXPRESSIONS, Calls

BLOOM = "org.apache.spark.util.sketch.BloomFilter"
REJECTED, FILTER = "_na_rejected", "rejected"
HASHED = "xxhash64({})".format
# a bit for so many bytes of input: some ten for each of 1% of lines as short as 30 bytes
BYTES_A_BIT, BITS_A_LINE = 256, 10
LEAST_BITS, MOST_BITS = 1 << 16, 1 << 23
# each task sends one to the driver, which keeps several times as much of it: what is observed, as text for its web pages
MOST_BITS_IN_ALL = 1 << 27


def watched(records: DataFrame, source: read.Source) -> tuple[DataFrame, Column]:
    """`records` with their `read.LINE` as `REJECTED` where they are not valid, else null, and the aggregate `FILTER` of it."""
    rejected = F.expr(f"CASE WHEN NOT {validate.VALID} THEN {read.LINE} END")
    return records.withColumn(REJECTED, rejected).drop(read.LINE), _filled(Calls(records.sparkSession), source)


def _filled(calls: Calls, source: read.Source) -> Column:
    tasks = source.csv_files + source.size // session.split_bytes(source.size)
    bits = min(max(source.size // BYTES_A_BIT, LEAST_BITS), MOST_BITS, MOST_BITS_IN_ALL // tasks)
    # hashed by the aggregate: the method in which a row spends its time has no room for it
    hashed = f"CASE WHEN {REJECTED} IS NOT NULL THEN {HASHED(REJECTED)} END"
    lines_and_bits = (calls.sql(f"{number}L") for number in (bits // BITS_A_LINE, bits))
    aggregate = calls.java(f"{EXPRESSIONS}.aggregate.BloomFilterAggregate")
    return calls.column(aggregate(calls.sql(hashed), *lines_and_bits).toAggregateExpression()).alias(FILTER)


def kept(lines: DataFrame, rejected: bytes) -> DataFrame:
    """Those of `lines` that are in the filter, and some that are not."""
    calls = Calls(lines.sparkSession)
    filled = calls.java(BLOOM).readFrom(calls.java("java.io.ByteArrayInputStream")(rejected))
    held = calls.held(filled, BLOOM)
    within = calls.method(held, "mightContainLong", calls.kind("boolean"), calls.sql(HASHED("line")))
    return lines.where(calls.column(within))
