"""Where the cells of a line start, found in its bytes: all that most lines need in order to be split (docs/decisions/0014)."""

from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession

from jobs.contract.header import Layout
from jobs.contract.table_schema import Field, TableSchema
from jobs.scoring.calls import UTF8, Calls

ARRAYS = "org.apache.commons.lang3.ArrayUtils"
# each comma is a step of its own in the plan, and some 80 bytes of the method in which a row spends its time
MOST_CELLS = 6


def looked_for(lines: DataFrame, width: int) -> DataFrame:
    """`lines`, which have a `line`, with whether it is `quoted` and `odd`, and what `cut_out` needs.

    An odd line has a quote in it or is not of `width` cells: it has to be split in another way.
    """
    calls, steps = Calls(lines.sparkSession), range(1, width + 1)
    frame = lines.selectExpr("*", "CAST(line AS binary) AS bytes")
    frame = frame.withColumn("quoted", _index(calls, '"', "0") >= 0)
    for at in steps:  # where one is not found the next is looked for from the front again, which does no harm
        frame = frame.withColumn(_start(at), _index(calls, ",", _start(at - 1)) + 1)
    # 0 if one is missing (and now and then as it overflows: the line is only split the other way then)
    product = " * ".join(map(_start, steps[:-1])) or "1"
    return frame.selectExpr("*", f"quoted OR {_start(width)} != 0 OR {product} = 0 AS odd")


def needed(width: int) -> list[str]:
    """The columns that `cut_out` needs."""
    return ["bytes", *map(_start, range(1, width))]


def cut_out(spark: SparkSession, layout: Layout, schema: TableSchema) -> list[Column]:
    """The cell of each of the schema's fields. Never to be worked out for an odd line: it might reach beyond its memory."""
    calls = Calls(spark)
    return [_cut_out(calls, field, at, layout.width) for field, at in zip(schema.fields, layout.positions)]


def _cut_out(calls: Calls, field: Field, at: int, width: int) -> Column:
    length = f"octet_length(bytes) - {_start(at)}" if at + 1 == width else f"{_start(at + 1)} - 1 - {_start(at)}"
    found = _static(calls, UTF8, "fromBytes", "string", "bytes", _start(at), length)
    # bytes that are no characters become U+FFFD in a text; a number or a date with such is none
    if field.type == "string":
        found = calls.text(found)
    return calls.column(found)


def _start(at: int) -> str:
    """SQL for the place of the first byte of the cell at `at`; 0 if no comma was found in front of it."""
    return f"start_{at}" if at else "0"


def _index(calls: Calls, char: str, start: str) -> Column:
    """The place of `char` in the line, from `start` on, or -1."""
    return calls.column(_static(calls, ARRAYS, "indexOf", "int", "bytes", f"{ord(char)}Y", start))


def _static(calls: Calls, class_name: str, method: str, kind: str, *arguments: str) -> Any:
    return calls.static(class_name, method, calls.kind(kind), *map(calls.sql, arguments))
