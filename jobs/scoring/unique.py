"""No key twice: a cheap look for suspects, and the exact choice of the first row, made only when there are any."""

from pyspark.sql import DataFrame, Observation, SparkSession, Window
from pyspark.sql import functions as F

from jobs.contract.table_schema import TableSchema
from jobs.scoring import predict, read, session, sql, validate

Keys = tuple[tuple[str, ...], ...]
REPEATED = "_na_repeated"
# lists of hashes that fit a core's cache
LISTS_A_PARTITION = 16
TASK_BITS = 24


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


def first_of_each(scored: DataFrame, keys: Keys, counts: Observation) -> DataFrame:
    """`scored` without the later copies of any key; `counts` learns how many those were."""
    later = F.expr(f"sum(CASE WHEN {REPEATED} IS NULL THEN 0 ELSE 1 END)").alias("repeated")
    return repeats(scored, keys).observe(counts, later).where(f"{REPEATED} IS NULL").drop(REPEATED)


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
