"""No key twice: proven by the keys' order, or else a look for suspects, and the exact choice of the first row among those."""

from typing import Optional

from pyspark.ml import PipelineModel
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from jobs.contract.agreed import Agreed
from jobs.contract.header import PACKED
from jobs.contract.table_schema import Field, TableSchema
from jobs.errors import ModelMismatchError
from jobs.scoring import predict, read, splits, sql, validate
from jobs.scoring.counters import SUSPECTS

Key = tuple[str, ...]
Keys = tuple[Key, ...]
# of a row that is not the first of its key what is at fault, and its number in all scans
REPEATED, NUMBER = "_na_repeated", "_na_number"
# so many rows of suspected keys are looked at by one task
FEW = 500_000
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


def suspects(spark: SparkSession, source: read.Source, schema: TableSchema) -> dict[Key, DataFrame]:
    """For each key that more than one record may have its 64-bit `hash`es with the `count` of those: suspicion, no proof.

    Reads the keys alone, once a key, and what is suspected again. What moves between tasks is lists of hashes: a row for each would
    cost many times more.
    """
    found = dict[Key, DataFrame]()
    with splits.small_tasks(spark, source.size) as tasks:
        lists = tasks * LISTS_A_PARTITION
        for key in schema.keys:
            hashes = _hashes(spark, source, schema, key)
            if some := _suspected(hashes, lists):
                among = hashes.where(f"pmod(hash, {lists}) IN ({', '.join(map(str, some))})")
                found[key] = among.groupBy("hash").count().where("count > 1")
    return found


def _hashes(spark: SparkSession, source: read.Source, schema: TableSchema, key: Key) -> DataFrame:
    fields = [field for field in schema.fields if field.name in key]
    cells = read.some_cells(spark, source, schema, tuple(field.name for field in fields))
    typed = cells.selectExpr(*(f"{validate.typed(field, schema)} AS {sql.name(field.name)}" for field in fields))
    return typed.where(_present(key)).selectExpr(f"xxhash64({_columns(key)}) AS hash")


def _suspected(hashes: DataFrame, lists: int) -> list[int]:
    """Those of so many lists in which a hash comes twice."""
    # first within each task, so that a key that comes a million times does not gather in one list
    place = F.expr(f"shiftleft(pmod(hash, {lists}), {TASK_BITS}) + spark_partition_id()")
    within = hashes.groupBy(place.alias("place")).agg(F.collect_list("hash").alias("all"))
    distinct = within.selectExpr(
        f"shiftright(place, {TASK_BITS}) AS list", "size(all) AS n", "array_distinct(all) AS some"
    )
    across = distinct.groupBy("list").agg(F.sum("n").alias("n"), F.flatten(F.collect_list("some")).alias("all"))
    return [row["list"] for row in across.where("n > size(array_distinct(all))").select("list").collect()]


def repeated(
    spark: SparkSession, source: read.Source, agreed: Agreed, model: PipelineModel, suspects: dict[Key, DataFrame]
) -> Optional[DataFrame]:
    """The rows that are not the first of their key: `read.PLACE`, `NUMBER` and `REPEATED`, kept at hand.

    None if all rows are few, or the suspects too many, or if their rows have no number or the model cannot be applied to them alone.
    """
    if source.broken or _few(source):  # of which all are put in order before those would be found
        return None
    totals = [hashes.persist().agg(F.sum("count")).first() for hashes in suspects.values()]
    if sum(total[0] or 0 for total in totals if total) > FEW:
        return None
    schema, kept = agreed.schema, (*read.PLACE, NUMBER)
    records = read.rows(spark, source, schema, keep=read.PLACE).selectExpr("*", f"{read.NUMBERING} AS {NUMBER}")
    good, among = validate.check(records, schema, agreed.needs.required, keep=kept), list[str]()
    for key, hashes in suspects.items():
        among.append(f"_na_hash_{len(among)}")
        own = hashes.select(F.col("hash").alias(among[-1]))
        is_one = F.expr(f"CASE WHEN {_present(key)} THEN xxhash64({_columns(key)}) END = {among[-1]}")
        good = good.join(F.broadcast(own), is_one, "left")
    # all of one key come together
    some = good.where(f"coalesce({', '.join(among)}) IS NOT NULL").drop(*among).repartition(1).persist()
    try:
        scored = predict.score(some, model, agreed.saved)
    except ModelMismatchError:
        return None
    return repeats(scored, schema.keys).where(f"{REPEATED} IS NOT NULL").select(*kept, REPEATED).persist()


def marked(scored: DataFrame, repeated: DataFrame) -> DataFrame:
    """`scored`, in which the fault of those that are `repeated` is that."""
    known = F.broadcast(repeated.selectExpr(f"{NUMBER} AS {read.ROW_ID}", REPEATED))
    fault = f"coalesce({predict.FAULT}, {REPEATED})"
    return scored.join(known, read.ROW_ID, "left").withColumn(predict.FAULT, F.expr(fault)).drop(REPEATED)


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


def _present(key: Key) -> str:
    return "(" + " AND ".join(f"{sql.name(column)} IS NOT NULL" for column in key) + ")"


def _columns(key: Key) -> str:
    return ", ".join(sql.name(column) for column in key)
