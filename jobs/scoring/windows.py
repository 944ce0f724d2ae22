"""Lines of a quoted cell that runs over a line end: put together, so that after that every record is a line.

A line may belong to others from one that leaves a quoted cell open to the one that surely closes it. Any other is a record by
itself, or none: so only these have to be looked at one after the other (`records.py`).
"""

import json
from typing import NamedTuple, Optional

from pyspark.cloudpickle import register_pickle_by_value
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.scoring import commas, records, shapes, sql
from jobs.scoring.calls import STRING, calls_of
from jobs.scoring.chain import Chain
from jobs.scoring.counters import ARRAY, change

FILE, BLOCK, NUMBER = shapes.PLACE
# characters of lines that the driver puts together sooner than Spark has begun with it in Python; a record of them all is still a
# string that Spark's JSON takes
FEW = 8 << 20
# a line whose last cell is in quotes that do not end; possessive, or Java would recurse once a character
OPEN = r'^(?:(?:(?:"[^"]*+")++|[^",][^,]*+)?,)*+"[^"]*+(?:""[^"]*+)*+\z'
# SQL: a block of a file, as a number
AT = f"xxhash64({FILE}, {BLOCK})"
_AT, _CLOSED, _BEFORE, _JOINED = "_na_at", "_na_closed", "_na_before", "_na_joined"
# SQL: whether the quotes of a line, as one that begins a record, account for every character of it
CLOSED = f"(NOT {shapes.QUOTED} OR {shapes.closed(commas.quoted_cells('line'))})"
# SQL: whether a line leaves a quoted cell open: as one that begins a record, or that goes on with such a cell
OPENS = f"(NOT {_CLOSED} AND line RLIKE {sql.text(OPEN)})"
GOES_ON = f"(NOT {shapes.QUOTED} OR concat('\"', line) RLIKE {sql.text(OPEN)})"
# what comes in the place of a line, by its number
OF, WHOLE = "_na_of", "_na_whole"
# places of a task's numbers: the block of the line before, and whether that may have left a cell open
LAST_BLOCK, LEFT_OPEN = range(2)


class Stitched(NamedTuple):
    """The numbers of lines (`rows`) with the text that comes in their place, or null where one is left out; and whether they are few."""

    rows: DataFrame
    few: bool


def stitched(lines: DataFrame, width: int) -> Optional[Stitched]:
    """What comes in the place of some of `lines`, which have their place, as records of `width` cells; None if nothing does.

    Kept at hand, as all lines are looked at twice for it.
    """
    some = _joined(lines, _open_blocks(lines)).where(_JOINED).select(*shapes.PLACE, "value").persist()
    (characters,) = some.agg(F.expr("coalesce(sum(length(value)), 0)")).collect()[0]
    if characters <= FEW:
        made = list(records.stitch(_here(some), width))
        some.unpersist()
        return Stitched(_there(some.sparkSession, made), few=True) if made else None
    # a worker need not have this project on its path: what runs there is sent along
    register_pickle_by_value(records)  # type: ignore[no-untyped-call]
    in_order = some.repartition(FILE).sortWithinPartitions(*shapes.PLACE).rdd.map(tuple)
    made_there = in_order.mapPartitions(lambda part: records.stitch(part, width))
    rows = some.sparkSession.createDataFrame(made_there, f"{OF} bigint, {WHOLE} string", verifySchema=False).persist()
    return None if rows.isEmpty() else Stitched(rows, few=False)


def _here(some: DataFrame) -> list[records.Line]:
    """Some lines with their place, in order: as one text, since a row for each would take many times as long."""
    each = f"concat_ws(' ', {', '.join(shapes.PLACE)}, value)"  # a file's name is a URI, without a blank
    (text,) = some.agg(F.expr(f"array_join(collect_list({each}), '\n')")).collect()[0]
    cut = (line.split(" ", 3) for line in text.split("\n") if line)
    return sorted((file, int(block), int(number), value) for file, block, number, value in cut)


def _there(spark: SparkSession, made: list[tuple[int, Optional[str]]]) -> DataFrame:
    """The same the other way: numbers and texts as a frame."""
    calls = calls_of(spark)
    text = calls.column(calls.text(calls.shared(json.dumps(made), STRING)))
    return (
        spark.range(1)
        .select(F.explode(F.from_json(text, "array<array<string>>")).alias("it"))
        .selectExpr(f"CAST(it[0] AS bigint) AS {OF}", f"it[1] AS {WHOLE}")
    )


def stitch(lines: DataFrame, stitched: Stitched) -> DataFrame:
    """`lines` with their place, so that each of them is a record, or none."""
    rows = F.broadcast(stitched.rows) if stitched.few else stitched.rows
    found = lines.join(rows, F.col(NUMBER) == F.col(OF), "left").where(f"{OF} IS NULL OR {WHOLE} IS NOT NULL")
    return found.selectExpr(*shapes.PLACE, f"coalesce({WHOLE}, line) AS line")


def _open_blocks(lines: DataFrame) -> frozenset[int]:
    """The blocks (`AT`) of files at whose beginning a cell may be open; looks at all `lines`, which have their place."""
    # a line that neither opens a cell nor closes the one that it may go on with leaves it at that
    settled = f"CASE WHEN {OPENS} THEN {NUMBER} * 2 + 1 WHEN NOT {GOES_ON} THEN {NUMBER} * 2 END"
    looked_at = Chain(lines).also({_CLOSED: CLOSED}).frame()
    blocks = looked_at.groupBy(FILE, BLOCK).agg(F.expr(f"max({settled})").alias("last"))
    found, left_open = set[int](), False
    for _, start, at, last in sorted(map(tuple, blocks.selectExpr(FILE, BLOCK, AT, "last").collect())):
        left_open = left_open and start > 0
        if left_open:
            found.add(at)
        if last is not None:
            left_open = bool(last % 2)
    return frozenset(found)


def _joined(lines: DataFrame, open_at: frozenset[int]) -> DataFrame:
    """`lines`, which have their place, with `_JOINED`: whether one may be with others that a record is made of.

    `open_at` are the blocks at whose beginning a cell may be open.
    """
    calls = calls_of(lines.sparkSession)
    held = calls.held(calls.java(ARRAY)(2), ARRAY)
    begins_open = F.expr(f"{_AT} IN ({', '.join(map(str, open_at))})" if open_at else "false")
    same_block = change(calls, held, "getAndSet", LAST_BLOCK, _AT) == F.col(_AT)
    before = F.when(same_block, change(calls, held, "get", LEFT_OPEN) == 1).otherwise(begins_open)
    left_open = f"CASE WHEN {OPENS} OR ({_BEFORE} AND {GOES_ON}) THEN 1L ELSE 0L END"
    noted = change(calls, held, "getAndSet", LEFT_OPEN, left_open) >= 0
    either = F.when(noted, F.expr(f"{_BEFORE} OR NOT {_CLOSED}"))
    looked_at = Chain(lines).also({_AT: AT, _CLOSED: CLOSED}).also({_BEFORE: before}).also({_JOINED: either})
    return looked_at.without([_AT, _CLOSED, _BEFORE]).frame()
