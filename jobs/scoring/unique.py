"""No key twice: proven by the keys' order, or else a look for suspects, and the exact choice of the first row if there are any."""

from typing import Optional

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from jobs.contract.header import PACKED
from jobs.contract.table_schema import Field, TableSchema
from jobs.scoring import predict, read, splits, sql, validate
from jobs.scoring.counters import SUSPECTS

Keys = tuple[tuple[str, ...], ...]
REPEATED = "_na_repeated"
# lists of hashes that fit a core's cache
LISTS_A_PARTITION = 16
TASK_BITS = 24
# what is looked at when a record is counted
WATCHED = "_na_watched"


def _whole_number(schema: TableSchema) -> Optional[Field]:
    (first, *others) = schema.keys or ((),)
    fields = [field for field in schema.fields if field.name in first]
    return fields[0] if not others and len(fields) == 1 and fields[0].type == "integer" else None


def watched(records: DataFrame, source: read.Source, schema: TableSchema) -> tuple[DataFrame, list[Column]]:
    """`records` with the keys that are `WATCHED`, and aggregates of them.

    Few keys are gathered, and an aggregate `SUSPECTS` tells how many come twice. Of more, whole numbers are to be looked at for their
    order; there is no aggregate. Of others no key is watched: there will be no proof.
    """
    key = _whole_number(schema)
    if schema.keys and _few(source):
        return _gathered(records, schema)
    if not key:
        return records, []
    return records.withColumn(
        WATCHED, F.expr(f"CASE WHEN {validate.VALID} THEN CAST({sql.name(key.name)} AS bigint) END")
    ), []


def _few(source: read.Source) -> bool:
    """Whether the driver can hold all keys."""
    return source.size < (splits.SMALL_BYTES // PACKED if source.packed else splits.SMALL_BYTES)


def _gathered(records: DataFrame, schema: TableSchema) -> tuple[DataFrame, list[Column]]:
    """All keys' hashes come together in the driver, which costs less than a pass of their own when they are few."""
    names = {f"{WATCHED}_{number}": key for number, key in enumerate(schema.keys)}
    hashes = [
        f"CASE WHEN {validate.VALID} AND {_present(key)} THEN xxhash64({_columns(key)}) END AS {name}"
        for name, key in names.items()
    ]
    repeated = " + ".join(f"count({name}) - size(collect_set({name}))" for name in names)
    return records.selectExpr("*", *hashes), [F.expr(repeated).alias(SUSPECTS)]


def suspected(spark: SparkSession, source: read.Source, schema: TableSchema) -> bool:
    """Whether two records may have one key: their 64-bit hashes are the same, so this is suspicion, no proof.

    Reads the keys alone, once a key. What moves between tasks is lists of hashes: a row for each would cost many times more.
    """
    with splits.small_tasks(spark, source.size) as tasks:
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
