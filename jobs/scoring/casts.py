"""A cell as its type, and whether it reads as that."""

from collections.abc import Sequence
from typing import Optional

from pyspark.sql import Column

from jobs.contract.table_schema import Field, TableSchema
from jobs.scoring import edges, sql
from jobs.scoring.calls import Calls
from jobs.scoring.chain import Chain

# the cell as it came, and whether it is known to be of its type's pattern without matching that
RAW, QUICK = "_na_raw ", "_na_quick "
# 1 and 1.0 and .5 and 1e-3; Java would also take 1d, 0x1p3 and surrounding control characters
# (\z, for $ would also match before a line end)
NUMBER = r"^ *[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)? *\\z"
INTEGER = r"^ *[+-]?[0-9]+ *\\z"
DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\\z"
DATETIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,6})?(Z|[+-][0-9]{2}:?[0-9]{2})?\\z"
PATTERNS = {"integer": INTEGER, "number": NUMBER, "date": DATE, "datetime": DATETIME}
# of the cells that a cast takes these are of that pattern, as is told for a fraction of what it takes to match it
QUICKLY = {"integer": edges.whole, "number": edges.plain, "date": edges.day, "datetime": edges.moment}
TRUE, FALSE = "('true', 'True', 'TRUE', '1')", "('false', 'False', 'FALSE', '0')"


def typed_beside_raw(rows: Chain, schema: TableSchema, fields: Sequence[Field]) -> Chain:
    """`rows` with typed values of `fields`, and beside them the raw cells: so a missing cell can be told from one that did not parse."""
    quick = {QUICK + field.name: _quick(rows.calls, field) for field in fields if field.type in QUICKLY}
    rows = rows.also(quick) if quick else rows
    columns = dict[str, str]()
    for field in fields:
        value = typed(field, schema, sql.name(QUICK + field.name))
        columns |= {field.name: value, RAW + field.name: sql.name(field.name)}
    return rows.also(columns)


def _quick(calls: Calls, field: Field) -> Column:
    cell = sql.name(field.name)
    if is_decimal(field):
        return edges.short(calls, cell, _scale(field))
    return QUICKLY[field.type](calls, cell)


def raw(field: Field) -> str:
    """SQL: the cell as it came."""
    return sql.name(RAW + field.name)


def missing(cell: str, schema: TableSchema) -> str:
    """SQL: whether the cell as it came (SQL) is missing; never null."""
    values = ", ".join(sql.text(value) for value in schema.missing_values)
    return f"({cell} IS NULL OR {cell} IN ({values}))" if values else f"({cell} IS NULL)"


def misread(field: Field) -> str:
    """SQL that is true when a cell that is there does not read as its type."""
    cell, value = raw(field), sql.name(field.name)
    if field.type == "string":
        return f"contains({cell}, '\\uFFFD') OR contains({cell}, '\\0')"
    if field.spark_type in ("double", "float"):
        return f"NOT coalesce(abs({value}) < CAST('Infinity' AS {field.spark_type}), false)"
    return f"{value} IS NULL"


def typed(field: Field, schema: TableSchema, quick: Optional[str] = None) -> str:
    """SQL: the cell as its type, null where it is missing or does not read as such.

    `quick` is SQL that is true where a cell that a cast takes is known to be of the type's pattern; without it, only those of decimals
    are held against that.
    """
    cell = sql.name(field.name)
    if field.type == "string":
        value = cell
    elif field.type == "boolean":
        value = f"CASE WHEN {cell} IN {TRUE} THEN true WHEN {cell} IN {FALSE} THEN false END"
    else:
        fits = f"{cell} RLIKE '{PATTERNS[field.type]}'"
        if is_decimal(field):
            fits = f"{quick or 'false'} OR {fits} AND ({_fits_decimal(cell, _scale(field))})"
        else:
            fits = f"{quick or 'true'} OR {fits}"
        # before the cast, which throws where it finds no number: that takes ten times as long
        value = f"CASE WHEN {fits} THEN CAST({cell} AS {field.spark_type}) END"
    # the empty cell parses to null by itself; any other missing value might be a fine number, as -999 is
    if field.type == "string" or set(schema.missing_values) - {""}:
        return f"CASE WHEN {missing(cell, schema)} THEN NULL ELSE {value} END"
    return value


def is_decimal(field: Field) -> bool:
    """Whether its numbers have digits of base ten."""
    return field.spark_type.startswith("decimal")


def _scale(field: Field) -> int:
    """How many digits of a decimal are behind the point."""
    return int(field.spark_type.rstrip(")").split(",")[1])


def _fits_decimal(cell: str, scale: int) -> str:
    """SQL that is true only where no digit is beyond the scale, which a cast would round away in silence."""
    # without an exponent, or a zero: 0E-10 is how Spark itself writes that
    simple = f"[^.eE]*(\\\\.[0-9]{{0,{scale}}}0* *)?|[^1-9]*[eE][+-]?0*[0-9]{{1,3}} *"
    number = f"substring_index(lower({cell}), 'e', 1)"
    exponent = f"substring_index(concat('x', lower({cell})), 'e', -1)"
    # digits behind the point, less than none where the last ones in front of it are zeros
    digits = f"length(replace(rtrim('.0', {number}), '.', '')) + 1 - locate('.', concat({number}, '.'))"
    # a cast takes minutes for an exponent of millions
    return f"{cell} RLIKE '^({simple})\\\\z' OR {digits} - tinyint({exponent}) <= {scale}"
