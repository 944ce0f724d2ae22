"""The rejected rows as they came, why, and where they stand. Worked out only when rows were rejected."""

from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple, Optional

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.contract.saved_model import SavedModel
from jobs.contract.table_schema import REASONS, RECORD, SOURCE, TableSchema
from jobs.errors import ModelMismatchError
from jobs.scoring import aside, decide, places, predict, read, shapes, sql, unique, validate
from jobs.scoring.calls import Calls, calls_of
from jobs.scoring.counters import Counters
from jobs.scoring.model import Model

CAME_OUT = "_na_came_out"
OWN_COLUMNS = {REASONS: "string", SOURCE: "string", RECORD: "bigint"}
# what one task sorts sooner than Spark has found out how to share it out
FEW = 500_000
MULTISET, COLLECTION = "com.google.common.collect.ConcurrentHashMultiset", "java.util.Collection"
OBJECTS = "[Ljava.lang.Object;"


@dataclass(frozen=True)
class Late:
    """What is needed to find the rows left out by the model or after it: of `keys` that may be repeated, and about `count` in all.

    All that are rejected are among the `rest` of the rows, if it is known which those are.
    """

    model: Model
    saved: SavedModel
    keys: unique.Keys
    count: int
    rest: Optional[DataFrame]


@dataclass(frozen=True)
class Found:
    """Rejected rows with their reasons and place, SQL for their line, and whether they come in the order of files and lines."""

    rows: DataFrame
    line: str
    in_order: bool


def find(
    spark: SparkSession, source: read.Source, schema: TableSchema, required: frozenset[str], late: Optional[Late]
) -> Found:
    """All rows that are not published for a reason; with those that are `late` it may take several further passes."""
    blocks = places.of_tasks(spark, source)
    # what is late has to be found again, by its place
    those_aside = None if late or not blocks else _among_those_aside(spark, source, schema, required, blocks)
    if those_aside:
        return those_aside
    rows = _among_the_rest(late.rest, source, late, schema, required) if late and late.rest else None
    if not rows:
        rows = _among_all_rows(spark, source, schema, required, late, numbered=bool(blocks))
    return _located(rows, spark, source, blocks)


class Told(NamedTuple):
    """Rows by reason, where one with two reasons counts for both; and by code, where it counts once for each of its codes."""

    by_reason: dict[str, int]
    by_code: dict[str, int]


def write(found: Found, schema: TableSchema, parts: str, *, count: int) -> tuple[dict[str, int], Told]:
    """Write the rows that were `found`, about `count`, into `parts`.

    Returns the `decide.text_sizes` with how many `lines` there are, and what the reasons were.
    """
    if not found.in_order and count > FEW:  # looked at twice, as Spark first finds out how to share them out
        found.rows.persist()
    in_lines, seen = lines(found, schema, count=count)
    in_lines.write.mode("overwrite").text(parts, compression="none")
    return seen.totals(), _told(seen)


def lines(found: Found, schema: TableSchema, *, count: int) -> tuple[DataFrame, Counters]:
    """One RFC 4180 record a row as `line`, ordered by file and line, and what will have counted them once they are written.

    They are made of the schema's columns as text, `_reasons` (`code:column`, joined by `;`), `_source` and `_record` (line, from 1).
    """
    file = f"regexp_replace({read.FILE_NAME}, '^file:(//)?(?=/)|(?<=^s3)a(?=:)', '') AS {SOURCE}"
    # parted here, as reasons and lines are too much for one method (0009)
    rows = validate.fenced(found.rows)
    rejects = rows.selectExpr(*map(sql.name, schema.names), REASONS, file, f"{found.line} AS {RECORD}")
    cells = [decide.csv_cell(f.name, f.dataType) for f in rejects.schema.fields]
    if found.in_order:
        placed = rejects
    elif count <= FEW:
        placed = rejects.repartition(1).sortWithinPartitions(SOURCE, RECORD)
    else:
        placed = rejects.orderBy(SOURCE, RECORD)
    calls = calls_of(found.rows.sparkSession)
    reasons = calls.java(MULTISET).create()
    beside, more = (reasons, COLLECTION), [_tallied(calls, reasons)]
    seen = Counters(found.rows.sparkSession, {}, "lines", amounts=decide.text_sizes(), beside=beside, more=more)
    in_lines = placed.selectExpr(f"{decide.csv_line(cells)} AS line", REASONS)
    return seen.counting(in_lines).select("line"), seen


def _tallied(calls: Calls, reasons: Any) -> Column:
    """Put each of a row's reasons into the multiset, and each of their codes once, with a blank in front; true."""
    several = f"split({REASONS}, ';')"
    codes = f"array_distinct(transform({several}, each -> concat(' ', {_code('each')})))"
    # all texts are made here: what a row holds is written over by the next
    one = f"array(concat(' ', {_code(REASONS)}))"
    texts = f"concat({several}, CASE WHEN contains({REASONS}, ';') THEN {codes} ELSE {one} END)"
    each = calls.method(calls.sql(texts), "array", calls.object_of(OBJECTS))
    listed = calls.static("java.util.Arrays", "asList", calls.object_of("java.util.List"), each)
    added = calls.method(calls.held(reasons, COLLECTION), "addAll", calls.kind("boolean"), listed, lasting=True)
    return calls.column(added)


def _code(reason: str) -> str:
    return f"substring_index({reason}, ':', 1)"


def _told(seen: Counters) -> Told:
    """How many rows have each reason and code, the most frequent first."""
    counts = dict[str, int]()
    for reasons in seen.beside().values():
        for each in reasons.entrySet().toArray():  # a way through the set itself ends in an exception
            reason = each.getElement().toString()
            counts[reason] = counts.get(reason, 0) + each.getCount()
    in_order = sorted(counts.items(), key=lambda reason: (-reason[1], reason[0]))
    by_code = {reason[1:]: count for reason, count in in_order if reason.startswith(" ")}
    return Told({reason: count for reason, count in in_order if not reason.startswith(" ")}, by_code)


def _among_those_aside(
    spark: SparkSession, source: read.Source, schema: TableSchema, required: frozenset[str], blocks: list[places.Block]
) -> Optional[Found]:
    """The rejected rows of one scan, which the first pass has set aside; None if those may not be all."""
    if not source.aside:
        return None
    texts = [source.aside[task] for task in places.in_order(blocks) if task in source.aside]
    kept = aside.lines(spark, texts, aside.most(source))
    if not kept:
        return None
    placed = kept.selectExpr("*", *places.in_blocks(blocks)).where(f"NOT ({places.IS_FIRST})")
    (layout,) = source.csv
    rows = shapes.split(validate.fenced(placed), layout, schema, read.PLACE).where(f"{shapes.SHAPE} != {shapes.BLANK}")
    found = validate.reasoned(validate.fenced(rows), schema, required)
    if source.repeated:
        reason = f"coalesce(nullif({REASONS}, ''), {unique.REPEATED})"
        known = F.broadcast(source.repeated.select(read.ROW_ID, unique.REPEATED))
        found = found.join(known, read.ROW_ID, "left").withColumn(REASONS, F.expr(reason))
    return Found(found, places.line_number(blocks, source.records), in_order=True)


def _among_all_rows(
    spark: SparkSession,
    source: read.Source,
    schema: TableSchema,
    required: frozenset[str],
    late: Optional[Late],
    *,
    numbered: bool,
) -> DataFrame:
    rows = read.rows(spark, source, schema, keep=read.PLACE)
    columns = [_column(name) for name in (*schema.names, *read.PLACE, REASONS)]
    found = validate.rejected(rows, schema, required).select(*columns)
    # the tasks of one scan give no number twice
    place = [read.ROW_ID] if numbered else list(read.PLACE)
    reasons = [_late_reasons(rows, schema, required, late, place)] if late else []
    if source.repeated:
        reasons.append(source.repeated.select(*place, F.col(unique.REPEATED).alias(REASONS)))
    if reasons:
        all_reasons = reduce(DataFrame.unionAll, reasons)
        # few of them go to where all rows are, and not the other way round
        few = not late or late.count <= FEW
        again = rows.drop(shapes.SHAPE).join(F.broadcast(all_reasons) if few else all_reasons, place)
        found = found.unionAll(again.select(*columns))
    return found


def _located(found: DataFrame, spark: SparkSession, source: read.Source, blocks: Optional[list[places.Block]]) -> Found:
    if blocks:
        found, line = validate.fenced(found), places.line_number(blocks, source.records)
    else:
        found = found.join(F.broadcast(places.of_blocks(spark, source)), [read.FILE, read.BLOCK], "left")
        line = f"{places.BEFORE} + {read.ROW_ID} - {places.FIRST_ID} + 1"
    # every file has one header; only a further one is a fault
    return Found(found.where(f"NOT ({REASONS} = 'repeated-header' AND {line} = 1)"), line, in_order=False)


def _among_the_rest(
    records: DataFrame, source: read.Source, late: Late, schema: TableSchema, required: frozenset[str]
) -> Optional[DataFrame]:
    """The rejected rows of `gaps.rest`, with their place; None if the model cannot be applied to these alone."""
    try:
        scored = predict.score(validate.good(records, schema, keep=read.PLACE), late.model, late.saved)
    except ModelMismatchError:  # an assembler learns of the first row that comes to it how long a vector is
        return None
    came_out = scored.select(*read.PLACE, predict.FAULT, F.lit(True).alias(CAME_OUT))
    joined = records.join(came_out, list(read.PLACE), "left")
    fault = predict.FAULT
    if source.repeated:
        joined = joined.join(source.repeated, list(read.PLACE), "left")
        fault = f"coalesce({predict.FAULT}, {unique.REPEATED})"
    # one with a category that is new to the model, and nothing else
    rejected = joined.where(f"{fault} IS NOT NULL OR {CAME_OUT} IS NULL")
    return validate.explained(rejected, schema, required, f"coalesce({fault}, 'model-dropped')")


def _late_reasons(
    rows: DataFrame, schema: TableSchema, required: frozenset[str], late: Late, place: list[str]
) -> DataFrame:
    """`place` and reason of the rows that were fine until the model, or until another row had the same key."""
    good = validate.check(rows, schema, required, keep=read.PLACE)
    scored = predict.score(good, late.model, late.saved)
    came_out = scored.select(*place, predict.FAULT, F.lit(True).alias(CAME_OUT))
    reason = F.expr(f"CASE WHEN {CAME_OUT} THEN {predict.FAULT} ELSE 'model-dropped' END").alias(REASONS)
    reasons = good.select(*place).join(came_out, place, "left").select(*place, reason)
    if late.keys:
        repeats = unique.repeats(scored, late.keys)
        reasons = reasons.unionAll(repeats.select(*place, F.col(unique.REPEATED).alias(REASONS)))
    return reasons.where(f"{REASONS} IS NOT NULL")


def _column(name: str) -> Column:
    return F.col(sql.name(name))


def columns(schema: TableSchema) -> dict[str, str]:
    """The columns of rejects.csv with their Spark types: every input cell as text, then the job's own."""
    return {**dict.fromkeys(schema.names, T.StringType().simpleString()), **OWN_COLUMNS}
