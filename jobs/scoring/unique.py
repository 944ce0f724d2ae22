"""No key twice: proven by the keys' order, or else a look for suspects, and the exact choice of the first row if there are any."""

from typing import Any, Optional

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from jobs.contract.header import PACKED
from jobs.contract.table_schema import Field, TableSchema
from jobs.scoring import predict, read, session, sql, validate
from jobs.scoring.calls import SPARK_SQL, Calls

Keys = tuple[tuple[str, ...], ...]
REPEATED = "_na_repeated"
# lists of hashes that fit a core's cache
LISTS_A_PARTITION = 16
TASK_BITS = 24
# what is looked at when a record is counted
WATCHED = "_na_watched"
ARRAY = "java.util.concurrent.atomic.AtomicLongArray"
LEAST, MOST = -(1 << 63), (1 << 63) - 1
# for each task the least key that it may meet, and the first one beyond
Ranges = list[tuple[int, int]]


def ranges(spark: SparkSession, source: read.Source, schema: TableSchema) -> Optional[Ranges]:
    """The keys' ranges, apart from each other, if each task's keys start at its first and end before the next one's.

    None where keys are not looked at so: several, or not whole numbers, or read by several scans. A short job of its own.
    """
    key = _whole_number(schema)
    if not key or _few(source) or not read.one_scan(source):
        return None
    cells = read.some_cells(spark, source, schema, (key.name,))
    typed = cells.selectExpr("spark_partition_id() AS task", f"CAST({validate.typed(key, schema)} AS bigint) AS key")
    firsts = {row[0]: row[1] for row in _one_a_task(typed.where("key IS NOT NULL")).collect()}
    starts = sorted(firsts.values())
    if len(set(starts)) < len(starts) or not starts:
        return None
    beyond = dict(zip(starts, [*starts[1:], MOST]))
    return [(firsts[n], beyond[firsts[n]]) if n in firsts else (MOST, MOST) for n in range(max(firsts, default=-1) + 1)]


def _whole_number(schema: TableSchema) -> Optional[Field]:
    (first, *others) = schema.keys or ((),)
    fields = [field for field in schema.fields if field.name in first]
    return fields[0] if not others and len(fields) == 1 and fields[0].type == "integer" else None


def _one_a_task(frame: DataFrame) -> DataFrame:
    """The first row that each task meets; it reads no further."""
    calls = Calls(frame.sparkSession)
    java: Any = frame
    limit = calls.java(f"{SPARK_SQL}.catalyst.plans.logical.LocalLimit")
    return calls.frame(limit(calls.sql("1"), java._jdf.logicalPlan()))


def watched(
    records: DataFrame, source: read.Source, schema: TableSchema, expected: Optional[Ranges]
) -> tuple[DataFrame, list[Column]]:
    """`records` with the keys that are `WATCHED`, and what tells of them.

    With `expected` ranges that is a valid record's key: none that is `suspect` proves that no key comes twice. Few keys are gathered,
    and an aggregate `suspects` tells how many come twice. Of others there is no such proof, neither column nor aggregate.
    """
    if schema.keys and _few(source):
        return _gathered(records, schema)
    key = _whole_number(schema)
    if not expected or not key:
        return records, []
    return records.withColumn(
        WATCHED, F.expr(f"CASE WHEN {validate.VALID} THEN CAST({sql.name(key.name)} AS bigint) END")
    ), []


def _few(source: read.Source) -> bool:
    """Whether the driver can hold all keys."""
    return source.size < (session.SMALL_BYTES // PACKED if source.packed else session.SMALL_BYTES)


def _gathered(records: DataFrame, schema: TableSchema) -> tuple[DataFrame, list[Column]]:
    """All keys' hashes come together in the driver, which costs less than a pass of their own when they are few."""
    names = {f"{WATCHED}_{number}": key for number, key in enumerate(schema.keys)}
    hashes = [
        f"CASE WHEN {validate.VALID} AND {_present(key)} THEN xxhash64({_columns(key)}) END AS {name}"
        for name, key in names.items()
    ]
    repeated = " + ".join(f"count({name}) - size(collect_set({name}))" for name in names)
    return records.selectExpr("*", *hashes), [F.expr(repeated).alias("suspects")]


def suspect(spark: SparkSession, expected: Ranges) -> Column:
    """Of what is `WATCHED`: whether a key is not above the one before it in its task, or not within its range; these are apart."""
    calls = Calls(spark)
    one = calls.java(ARRAY)(1)  # an AtomicLong would come here as a Python int
    one.set(0, LEAST)
    place = calls.sql("0"), calls.sql(WATCHED)
    before = calls.method(calls.held(one, ARRAY), "getAndSet", calls.kind("bigint"), *place, lasting=True)
    least, beyond = (f"array({', '.join(f'{n}L' for n in side)})[spark_partition_id()]" for side in zip(*expected))
    within = F.expr(f"coalesce({WATCHED} >= {least} AND {WATCHED} < {beyond}, false)")
    return F.col(WATCHED).isNotNull() & ~((F.col(WATCHED) > calls.column(before)) & within)


def suspected(spark: SparkSession, source: read.Source, schema: TableSchema) -> bool:
    """Whether two records may have one key: their 64-bit hashes are the same, so this is suspicion, no proof.

    Reads the keys alone, once a key. What moves between tasks is lists of hashes: a row for each would cost many times more.
    """
    with session.small_tasks(spark, source.size) as tasks:
        lists = tasks * LISTS_A_PARTITION
        return any(_suspected(_hashes(spark, source, schema, key), lists) for key in schema.keys)


def _hashes(spark: SparkSession, source: read.Source, schema: TableSchema, key: tuple[str, ...]) -> DataFrame:
    fields = [field for field in schema.fields if field.name in key]
    cells = read.some_cells(spark, source, schema, tuple(field.name for field in fields))
    typed = cells.selectExpr(*(f"{validate.typed(field, schema)} AS {sql.name(field.name)}" for field in fields))
    return typed.where(_present(key)).selectExpr(f"xxhash64({_columns(key)}) AS hash")


def _suspected(hashes: DataFrame, lists: int) -> bool:
    # first within each task, so that a key that comes a million times does not gather in one list
    place = F.expr(f"shiftleft(pmod(hash, {lists}), {TASK_BITS}) + spark_partition_id()")
    within = hashes.groupBy(place.alias("place")).agg(F.collect_list("hash").alias("all"))
    distinct = within.selectExpr(
        f"shiftright(place, {TASK_BITS}) AS list", "size(all) AS n", "array_distinct(all) AS some"
    )
    across = distinct.groupBy("list").agg(F.sum("n").alias("n"), F.flatten(F.collect_list("some")).alias("all"))
    return not across.where("n > size(array_distinct(all))").isEmpty()


def first_of_each(scored: DataFrame, keys: Keys) -> DataFrame:
    """`scored` without the later copies of any key."""
    return repeats(scored, keys).where(f"{REPEATED} IS NULL").drop(REPEATED)


def repeats(scored: DataFrame, keys: Keys) -> DataFrame:
    """`scored` with `REPEATED`: null for the first row of every key by file, then position, else `unique-error:column`."""
    flagged = scored.withColumn(REPEATED, F.lit(None).cast("string"))
    for key in keys:
        # a row set aside already, for another key or for what the model made of it, does not stand in the way
        live = F.col(REPEATED).isNull() & F.col(predict.FAULT).isNull() & F.expr(_present(key))
        columns = [F.col(sql.name(column)) for column in key]
        order = Window.partitionBy(*columns, live).orderBy(F.expr(read.FILE_NAME), read.BLOCK, read.ROW_ID)
        late = live & (F.row_number().over(order) > 1)
        reason = F.lit("unique-error:" + "+".join(key))
        flagged = flagged.withColumn(REPEATED, F.when(late, reason).otherwise(F.col(REPEATED)))
    return flagged


def _present(key: tuple[str, ...]) -> str:
    return "(" + " AND ".join(f"{sql.name(column)} IS NOT NULL" for column in key) + ")"


def _columns(key: tuple[str, ...]) -> str:
    return ", ".join(sql.name(column) for column in key)
