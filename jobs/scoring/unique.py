"""No key twice: a cheap watch on the way to the file, and the exact choice of the first row, made only when needed."""

from pyspark.sql import Column, DataFrame, Observation, Window
from pyspark.sql import functions as F

from jobs.scoring import read, sql

Keys = tuple[tuple[str, ...], ...]
REPEATED = "_na_repeated"
HASH = "_na_hash{}"


def hashes(keys: Keys) -> tuple[Column, ...]:
    """For each key a 64-bit hash of its columns, null where a cell of it is missing."""
    return tuple(
        F.expr(f"CASE WHEN {_present(key)} THEN xxhash64({_columns(key)}) END").alias(HASH.format(number))
        for number, key in enumerate(keys)
    )


def watched(lines: DataFrame, keys: Keys, counts: Observation) -> DataFrame:
    """`lines` as they are; `counts` learns how many have a hash that another has too. Those are suspects, no proof."""
    flagged = lines.withColumn(REPEATED, F.lit(False))
    for number in range(len(keys)):
        column = HASH.format(number)
        # the exchange by hash brings equal keys together; sorted, one stands right behind the other
        behind = F.lag(column).over(Window.partitionBy(column).orderBy(column))
        same = F.coalesce(behind == F.col(column), F.lit(False))
        flagged = flagged.withColumn(REPEATED, F.col(REPEATED) | same)
    return flagged.observe(counts, F.expr(f"sum(CASE WHEN {REPEATED} THEN 1 ELSE 0 END)").alias("repeated"))


def first_of_each(scored: DataFrame, keys: Keys, counts: Observation) -> DataFrame:
    """`scored` without the later copies of any key; `counts` learns how many those were."""
    later = F.expr(f"sum(CASE WHEN {REPEATED} IS NULL THEN 0 ELSE 1 END)").alias("repeated")
    return repeats(scored, keys).observe(counts, later).where(f"{REPEATED} IS NULL").drop(REPEATED)


def repeats(scored: DataFrame, keys: Keys) -> DataFrame:
    """`scored` with `REPEATED`: null for the first row of every key by file, then position, else `unique-error:column`."""
    flagged = scored.withColumn(REPEATED, F.lit(None).cast("string"))
    for key in keys:
        # a row set aside for another key does not stand in the way of this one's first
        live = F.col(REPEATED).isNull() & F.expr(_present(key))
        columns = [F.col(sql.name(column)) for column in key]
        order = Window.partitionBy(*columns, live).orderBy(read.FILE, read.BLOCK, read.ROW_ID)
        late = live & (F.row_number().over(order) > 1)
        reason = F.lit("unique-error:" + "+".join(key))
        flagged = flagged.withColumn(REPEATED, F.when(late, reason).otherwise(F.col(REPEATED)))
    return flagged


def _present(key: tuple[str, ...]) -> str:
    return "(" + " AND ".join(f"{sql.name(column)} IS NOT NULL" for column in key) + ")"


def _columns(key: tuple[str, ...]) -> str:
    return ", ".join(sql.name(column) for column in key)
