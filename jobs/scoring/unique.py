"""No key twice: proven by the keys' order, or else a look for suspects, and the exact choice of the first row among those."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, NamedTuple, Optional

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from jobs.contract.agreed import Agreed
from jobs.contract.header import PACKED
from jobs.contract.table_schema import TableSchema
from jobs.errors import ModelMismatchError
from jobs.scoring import casts, methods, predict, read, splits, sql, validate
from jobs.scoring.model import Model

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
# the number that a text goes up by, as in C-000123
COUNT = "^[^0-9]*+([0-9]{1,18})$"


def watched(records: DataFrame, source: read.Source, schema: TableSchema) -> tuple[DataFrame, list[Column]]:
    """`records` with the keys that are `WATCHED`, and aggregates of them.

    Few keys are gathered by the aggregates, from which `among_gathered` tells the suspects. Of more, whole numbers,
    or those in texts, are to be looked at for their order; there is no aggregate. Of others no key is watched: there will be no proof.
    """
    if schema.keys and _few(source):
        return _gathered(records, schema)
    key = next((f for f in schema.fields if schema.keys == ((f.name,),) and f.type in ("integer", "string")), None)
    if not key:
        return records, []
    text, name = key.type == "string", sql.name(key.name)
    number = _count(name) if text else f"CAST({name} AS bigint)"
    counting = records.withColumn(WATCHED, F.expr(f"CASE WHEN {validate.VALID} THEN {number} END"))
    # with what is behind it a text is too much for one method (0009)
    return methods.parted(counting, WATCHED, "0") if text else counting, []


def _count(text: str) -> str:
    """SQL of a whole number that is made of a text, of every one; null for none.

    Where these ascend no two are the same, and so no two texts are, whatever other text would have the same number.
    """
    # not by try_cast, which throws for each text without a number
    number = f"CAST(regexp_extract({text}, {sql.text(COUNT)}, 1) AS bigint)"
    return f"CASE WHEN {text} IS NOT NULL THEN coalesce({number}, 0) END"


def _few(source: read.Source) -> bool:
    """Whether the driver can hold all keys."""
    return source.size < (splits.SMALL_BYTES // PACKED if source.packed else splits.SMALL_BYTES)


def _gathered(records: DataFrame, schema: TableSchema) -> tuple[DataFrame, list[Column]]:
    """All keys' hashes come together in the driver, which costs less than a pass of their own when they are few."""
    names = {_watched(number): key for number, key in enumerate(schema.keys)}
    hashes = [f"CASE WHEN {validate.VALID} THEN {_hash(_columns(key))} END AS {name}" for name, key in names.items()]
    later = [F.expr(f"array_join({_later(f'collect_list({name})')}, ',')").alias(name) for name in names]
    return records.selectExpr("*", *hashes), later


def _watched(number: int) -> str:
    return f"{WATCHED}_{number}"


def _later(hashes: str) -> str:
    """SQL: of an array of `hashes` the second, third and so on of each."""
    in_order = f"sort_array({hashes})"
    same = "(this, next) -> CASE WHEN this = next THEN this END"
    return f"array_compact(zip_with({in_order}, slice({in_order}, 2, size({hashes})), {same}))"


class Suspects(NamedTuple):
    """The 64-bit `hash`es of a key that more than one record may have: suspicion, no proof. No more than so many `records` have those."""

    hashes: DataFrame
    records: int


def among_gathered(spark: SparkSession, observed: Mapping[str, Any], schema: TableSchema) -> dict[Key, Suspects]:
    """For each key those that are suspected to come twice, if any, by what the aggregates have `observed`."""
    found = dict[Key, Suspects]()
    for number, key in enumerate(schema.keys):
        if later := observed[_watched(number)]:
            each = F.array_distinct(F.split(F.lit(later), ",")).cast("array<bigint>")
            hashes = spark.range(1).select(F.explode(each).alias("hash"))
            found[key] = Suspects(hashes, 2 * len(later.split(",")))
    return found


def suspects(spark: SparkSession, source: read.Source, schema: TableSchema) -> dict[Key, Suspects]:
    """For each key those that are suspected to come twice, if any, kept at hand.

    Reads the keys alone, once a key. What moves between tasks is lists of hashes: a row for each would cost many times more.
    """
    found = dict[Key, Suspects]()
    # lines that were put together are known by their numbers, which would be others in smaller tasks
    as_they_are = nullcontext(int(str(spark.conf.get("spark.sql.shuffle.partitions"))))
    with as_they_are if source.broken else splits.small_tasks(spark, source.size) as tasks:
        for key in schema.keys:
            lists = _suspected(_hashes(spark, source, schema, key), tasks * LISTS_A_PARTITION).persist()
            (total,) = lists.agg(F.expr("sum(size(twice) + later)")).collect()
            if total[0]:
                found[key] = Suspects(lists.select(F.explode("twice").alias("hash")), total[0])
    return found


def _hashes(spark: SparkSession, source: read.Source, schema: TableSchema, key: Key) -> DataFrame:
    cells = read.some_cells(spark, source, schema, key)
    return cells.selectExpr(f"{_hash(_typed(key, schema))} AS hash").where("hash IS NOT NULL")


def _typed(key: Key, schema: TableSchema) -> list[str]:
    """SQL of a key's values by its cells as they came."""
    fields = {field.name: field for field in schema.fields}
    return [casts.typed(fields[name], schema) for name in key]


def _hash(values: list[str]) -> str:
    """SQL of the hash of a key's `values` (SQL); null where one is missing."""
    return f"CASE WHEN {_present(values)} THEN xxhash64({', '.join(values)}) END"


def _suspected(hashes: DataFrame, lists: int) -> DataFrame:
    """Those of so many lists in which a hash comes twice: all that come `twice`, and how many `later` records have those."""
    # first within each task, so that a key that comes a million times does not gather in one list
    place = F.expr(f"shiftleft(pmod(hash, {lists}), {TASK_BITS}) + spark_partition_id()")
    within = hashes.groupBy(place.alias("place")).agg(F.collect_list("hash").alias("hashes"))
    distinct = within.selectExpr(
        f"shiftright(place, {TASK_BITS}) AS list",
        "size(hashes) AS n",
        "array_distinct(hashes) AS some",
        f"CASE WHEN size(hashes) > size(array_distinct(hashes)) THEN array_distinct({_later('hashes')}) END AS twice",
    )
    across = distinct.groupBy("list").agg(
        F.sum("n").alias("n"),
        F.flatten(F.collect_list("some")).alias("hashes"),
        F.flatten(F.collect_list("twice")).alias("twice"),
    )
    later = across.selectExpr("*", "n - size(array_distinct(hashes)) AS later").where("later > 0")
    return later.selectExpr(f"array_union(twice, {_later('hashes')}) AS twice", "later")


def repeated(
    spark: SparkSession, source: read.Source, agreed: Agreed, model: Model, suspects: dict[Key, Suspects]
) -> Optional[DataFrame]:
    """The rows that are not the first of their key: `read.PLACE`, `NUMBER` and `REPEATED`, kept at hand.

    None if the suspects are too many, or if their rows have no number or the model cannot be applied to them alone.
    """
    if not source.numbered_alike or sum(records for _, records in suspects.values()) > FEW:
        return None
    schema, kept, among = agreed.schema, (*read.PLACE, NUMBER), list[str]()
    records = read.rows(spark, source, schema, keep=read.PLACE).selectExpr("*", f"{read.NUMBERING} AS {NUMBER}")
    for key, (hashes, _) in suspects.items():
        among.append(f"_na_hash_{len(among)}")
        own = F.broadcast(hashes.select(F.col("hash").alias(among[-1])))
        records = records.join(own, F.expr(f"{_hash(_typed(key, schema))} = {among[-1]}"), "left")
    # all of one key come together
    some = records.where(f"coalesce({', '.join(among)}) IS NOT NULL").drop(*among).repartition(1)
    good = validate.check(some, schema, agreed.needs.required, keep=kept).persist()
    try:
        scored = predict.score(good, model, agreed.saved)
    except ModelMismatchError:
        return None
    return repeats(scored, schema.keys).where(f"{REPEATED} IS NOT NULL").select(*kept, REPEATED).persist()


def marked(records: DataFrame, repeated: DataFrame) -> DataFrame:
    """`records` as `validate.judged` gives them, of which those that are `repeated` are not valid either."""
    known = F.broadcast(repeated.selectExpr(f"{NUMBER} AS {read.ROW_ID}", REPEATED))
    joined = records.selectExpr("*", read.NUMBERED).join(known, read.ROW_ID, "left")
    valid = f"{validate.VALID} AND {REPEATED} IS NULL"
    return joined.withColumn(validate.VALID, F.expr(valid)).drop(REPEATED, read.ROW_ID)


def first_of_each(scored: DataFrame, keys: Keys) -> DataFrame:
    """`scored` without the later copies of any key."""
    return repeats(scored, keys).where(f"{REPEATED} IS NULL").drop(REPEATED)


def repeats(scored: DataFrame, keys: Keys) -> DataFrame:
    """`scored` with `REPEATED`: null for the first row of every key by file, then position, else `unique-error:column`."""
    flagged = scored.withColumn(REPEATED, F.lit(None).cast("string"))
    for key in keys:
        # a row set aside already, for another key or for what the model made of it, does not stand in the way
        live = F.col(REPEATED).isNull() & F.col(predict.FAULT).isNull() & F.expr(_present(_columns(key)))
        order = Window.partitionBy(*map(F.col, _columns(key)), live).orderBy(
            F.expr(read.FILE_NAME), read.BLOCK, read.ROW_ID
        )
        late = live & (F.row_number().over(order) > 1)
        reason = F.lit("unique-error:" + "+".join(key))
        flagged = flagged.withColumn(REPEATED, F.when(late, reason).otherwise(F.col(REPEATED)))
    return flagged


def _present(values: list[str]) -> str:
    return "(" + " AND ".join(f"{value} IS NOT NULL" for value in values) + ")"


def _columns(key: Key) -> list[str]:
    return [sql.name(column) for column in key]
