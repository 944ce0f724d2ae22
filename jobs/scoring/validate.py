"""Typed values and a reason, or none, for every record. Nothing here drops a row."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Optional

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.contract.table_schema import Field, TableSchema
from jobs.scoring import commas, edges, methods, read, shapes, sql
from jobs.scoring.calls import Calls

VALID = "_na_valid"
# the cell as it came, and whether it is known for a number without the expressions below
RAW, QUICK = "_na_raw ", "_na_quick "
# 1 and 1.0 and .5 and 1e-3; Java would also take 1d, 0x1p3 and surrounding control characters
# (\z, for $ would also match before a line end)
NUMBER = r"^ *[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)? *\\z"
INTEGER = r"^ *[+-]?[0-9]+ *\\z"
DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\\z"
DATETIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,6})?(Z|[+-][0-9]{2}:?[0-9]{2})?\\z"
TRUE, FALSE = "('true', 'True', 'TRUE', '1')", "('false', 'False', 'FALSE', '0')"


def check(rows: DataFrame, schema: TableSchema, required: frozenset[str], *, keep: tuple[str, ...] = ()) -> DataFrame:
    """The good rows of `rows`, typed as the schema says.

    `required` are columns that may not be missing although the schema allows it: the model cannot take them so.
    `keep` are further columns to pass through.
    """
    return good(fenced(judged(rows, schema, required, keep=keep)), schema, keep=keep)


def good(records: DataFrame, schema: TableSchema, *, keep: tuple[str, ...] = ()) -> DataFrame:
    """Those of what `judged` gave that are valid; it has to be counted or observed in between, as by `fenced`."""
    return records.where(VALID).select(*map(sql.name, schema.names), *keep)


def judged(
    rows: DataFrame, schema: TableSchema, required: frozenset[str], *, keep: tuple[str, ...] = (), parted: bool = False
) -> DataFrame:
    """All of `rows`, typed as the schema says, with `shapes.SHAPE` and `VALID`: whether there is nothing at fault.

    Where it is `parted` some columns after the other are looked at, each time in a method of their own.
    """
    groups = methods.groups(schema.fields, methods.CHECKS) if parted else [schema.fields]
    records = methods.one_by_one(rows, _steps(groups, schema, required))
    return records.selectExpr(*map(sql.name, schema.names), *keep, shapes.SHAPE, VALID)


def _steps(groups: Iterable[Sequence[Field]], schema: TableSchema, required: frozenset[str]) -> Iterator[methods.Step]:
    """Look at one of the `groups` of columns after the other."""
    valid = shapes.PROPER
    for fields in groups:
        if valid == VALID:
            yield partial(methods.parted, column=VALID, other="false")
        yield partial(_looked_at, schema=schema, fields=fields, fine=_fine(valid, fields, schema, required))
        valid = VALID


def _looked_at(records: DataFrame, schema: TableSchema, fields: Sequence[Field], fine: str) -> DataFrame:
    own = {name for field in fields for name in (RAW + field.name, QUICK + field.name, commas.NUMBER + field.name)}
    typed_beside = _typed_beside_raw(records, schema, fields)
    others = [sql.name(name) for name in typed_beside.columns if name not in own and name != VALID]
    return typed_beside.selectExpr(*others, f"{fine} AS {VALID}")


def rejected(rows: DataFrame, schema: TableSchema, required: frozenset[str]) -> DataFrame:
    """The rows that `check` leaves out, header and blank lines aside: raw cells, place and `_reasons`, never empty."""
    records = fenced(both(rows, schema, required).selectExpr(*_as_they_came(schema), shapes.SHAPE, VALID, *read.PLACE))
    # a second fence costs nothing behind the filter, and parts the code for all rows from that for the few: together they
    # would be too much for one method
    bad = fenced(records.where(f"NOT {VALID} AND {shapes.SHAPE} != {shapes.BLANK}"))
    # the reasons are worked out for these alone, from the cells anew: carried along for every row, they cost it dear
    return reasoned(bad, schema, required)


def reasoned(bad: DataFrame, schema: TableSchema, required: frozenset[str]) -> DataFrame:
    """`read.rows` that are known to be at fault, with their place: the same, as raw cells, with place and `_reasons`."""
    beside = _typed_beside_raw(bad, schema, schema.fields)
    return beside.selectExpr(*_as_they_came(schema), *read.PLACE, f"{_reasons(schema, required)} AS _reasons")


def both(rows: DataFrame, schema: TableSchema, required: frozenset[str]) -> DataFrame:
    """All of `rows` with their place, typed as the schema says and beside that as they came, with `shapes.SHAPE` and `VALID`."""
    fine = _fine(shapes.PROPER, schema.fields, schema, required)
    return _typed_beside_raw(rows, schema, schema.fields).withColumn(VALID, F.expr(fine))


def explained(records: DataFrame, schema: TableSchema, required: frozenset[str], other: str) -> DataFrame:
    """What `both` gave, blank lines aside: raw cells, place and `_reasons`, which is `other` (SQL) for a valid row."""
    reasons = f"CASE WHEN {VALID} THEN {other} ELSE {_reasons(schema, required)} END AS _reasons"
    return records.where(f"{shapes.SHAPE} != {shapes.BLANK}").selectExpr(*_as_they_came(schema), *read.PLACE, reasons)


def _reasons(schema: TableSchema, required: frozenset[str]) -> str:
    each = ", ".join(_reason(field, schema, required) for field in schema.fields)
    return f"CASE {_shape_reasons(schema)} ELSE concat_ws(';', {each}) END"


def _fine(valid: str, fields: Sequence[Field], schema: TableSchema, required: frozenset[str]) -> str:
    """SQL: whether a record that is `valid` so far (SQL) has nothing at fault in any of `fields`."""
    faults = [_fault(field, schema, field.name in required) for field in fields]
    return " AND ".join([valid, *(f"NOT {fault}" for fault in faults)])


def _typed_beside_raw(rows: DataFrame, schema: TableSchema, fields: Sequence[Field]) -> DataFrame:
    """`rows` with typed values of `fields`, and beside them the raw cells: so a missing cell can be told from one that did not parse."""
    calls, columns = Calls(rows.sparkSession), dict[str, Column]()
    for field in fields:
        cell, read_as = sql.name(field.name), commas.NUMBER + field.name
        number = sql.name(read_as) if read_as in rows.columns else None
        columns |= {field.name: F.expr(typed(field, schema, number)), RAW + field.name: F.col(cell)}
        if number:
            columns[QUICK + field.name] = F.expr(f"{number} IS NOT NULL")
        elif _is_binary_number(field):
            quick = edges.unpadded if field.type == "integer" else edges.plain
            columns[QUICK + field.name] = quick(calls, cell)
    return rows.withColumns(columns)


def _is_binary_number(field: Field) -> bool:
    return field.type in ("integer", "number") and not field.spark_type.startswith("decimal")


def fenced(frame: DataFrame) -> DataFrame:
    """`frame`, observed: Spark would push a filter on it below the split, copying every expression that it is made of."""
    return frame.observe(f"fence {uuid.uuid4()}", F.count(F.lit(1)).alias("rows"))


def _raw(field: Field) -> str:
    return sql.name(RAW + field.name)


def _as_they_came(schema: TableSchema) -> list[str]:
    """The raw cells under their own names."""
    return [f"{_raw(field)} AS {sql.name(field.name)}" for field in schema.fields]


def _missing(cell: str, schema: TableSchema) -> str:
    values = ", ".join(sql.text(value) for value in schema.missing_values)
    return f"({cell} IS NULL OR {cell} IN ({values}))" if values else f"({cell} IS NULL)"


def typed(field: Field, schema: TableSchema, number: Optional[str] = None) -> str:
    """SQL: the cell as its type, null where it is missing or does not read as such.

    `number` is SQL for the same where the cell has been read already, and null where it has not.
    """
    cell = sql.name(field.name)
    if field.type == "string":
        value = cell
    elif field.type == "boolean":
        value = f"CASE WHEN {cell} IN {TRUE} THEN true WHEN {cell} IN {FALSE} THEN false END"
    elif field.spark_type.startswith("decimal"):
        value = f"CASE WHEN {_fits_decimal(cell, field.spark_type)} THEN try_cast({cell} AS {field.spark_type}) END"
    else:
        value = f"try_cast({cell} AS {field.spark_type})"
        if number:
            value = f"coalesce({number}, {value})"
    # the empty cell parses to null by itself; any other missing value might be a fine number, as -999 is
    if field.type == "string" or set(schema.missing_values) - {""}:
        return f"CASE WHEN {_missing(cell, schema)} THEN NULL ELSE {value} END"
    return value


def _fits_decimal(cell: str, kind: str) -> str:
    """SQL that is true only where no digit is beyond the scale, which a cast would round away in silence."""
    scale = int(kind.rstrip(")").split(",")[1])
    # without an exponent, or a zero: 0E-10 is how Spark itself writes that
    simple = f"[^.eE]*(\\\\.[0-9]{{0,{scale}}}0* *)?|[^1-9]*[eE][+-]?0*[0-9]{{1,3}} *"
    number = f"substring_index(lower({cell}), 'e', 1)"
    exponent = f"substring_index(concat('x', lower({cell})), 'e', -1)"
    # digits behind the point, less than none where the last ones in front of it are zeros
    digits = f"length(replace(rtrim('.0', {number}), '.', '')) + 1 - locate('.', concat({number}, '.'))"
    # a cast takes minutes for an exponent of millions
    return f"{cell} RLIKE '^({simple})\\\\z' OR {digits} - tinyint({exponent}) <= {scale}"


def _fault(field: Field, schema: TableSchema, model_needs: bool) -> str:
    """SQL that is true when the cell is at fault, false when not, never null."""
    missing, wrong = _missing(_raw(field), schema), _wrong(field)
    if not (field.required or model_needs):
        return f"(NOT {missing} AND {wrong})"
    # of any other type a missing value is null, which does not read as its type
    return f"({missing} OR {wrong})" if field.type == "string" else wrong


def _wrong(field: Field) -> str:
    return "(" + " OR ".join([_misread(field), *_violations(field)]) + ")"


def _misread(field: Field) -> str:
    """SQL that is true when a cell that is there does not read as its type."""
    raw, value = _raw(field), sql.name(field.name)
    if field.type == "string":
        return f"contains({raw}, '\\uFFFD') OR contains({raw}, '\\0')"
    quick = sql.name(QUICK + field.name)
    if field.type == "number" and _is_binary_number(field):
        finite = f"coalesce(abs({value}) < CAST('Infinity' AS {field.spark_type}), false)"
        return f"NOT {finite} OR NOT ({quick} OR {raw} RLIKE '{NUMBER}')"
    if field.type == "boolean":
        return f"{value} IS NULL"
    if field.type == "integer":
        return f"{value} IS NULL OR NOT ({quick} OR {raw} RLIKE '{INTEGER}')"
    pattern = {"number": NUMBER, "date": DATE, "datetime": DATETIME}[field.type]
    return f"{value} IS NULL OR NOT {raw} RLIKE '{pattern}'"


def _violations(field: Field) -> list[str]:
    """SQL for each constraint, true when it is broken."""
    value, rules = sql.name(field.name), field.constraints
    tests = []
    if "minimum" in rules:
        tests.append(f"{value} < {_literal(rules['minimum'], field)}")
    if "maximum" in rules:
        tests.append(f"{value} > {_literal(rules['maximum'], field)}")
    if "enum" in rules:
        tests.append(f"NOT {value} IN ({', '.join(_literal(option, field) for option in rules['enum'])})")
    if "minLength" in rules:
        tests.append(f"length({value}) < {rules['minLength']}")
    if "maxLength" in rules:
        tests.append(f"length({value}) > {rules['maxLength']}")
    # last, as a cell that is too long may need more stack than there is
    if "pattern" in rules:
        tests.append(f"NOT {value} RLIKE {sql.text(whole(rules['pattern']))}")
    return [f"coalesce({test}, false)" for test in tests]


def whole(pattern: str) -> str:
    """A regular expression for cells all of which match `pattern`, as Table Schema wants it."""
    return "^(?:" + pattern + r")\z"


def _literal(value: Any, field: Field) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"CAST({sql.text(text)} AS {field.spark_type})"


def _reason(field: Field, schema: TableSchema, required: frozenset[str]) -> str:
    """SQL for the cell's reason, `code:column`, or null; what cannot be read at all comes first."""
    column = sql.text(":" + field.name)
    missing = _missing(_raw(field), schema)
    empty = f"concat('constraint-error', {column})" if field.required or field.name in required else "NULL"
    unread = "encoding-error" if field.type == "string" else "type-error"
    broken = " OR ".join(_violations(field)) or "false"
    return (
        f"CASE WHEN {missing} THEN {empty} WHEN {_misread(field)} THEN concat('{unread}', {column}) "
        f"WHEN {broken} THEN concat('constraint-error', {column}) END"
    )


def _shape_reasons(schema: TableSchema) -> str:
    absent = ", ".join(
        f"CASE WHEN {_raw(f)} IS NULL THEN {sql.text('missing-cell:' + f.name)} END" for f in schema.fields
    )
    short = f"coalesce(nullif(concat_ws(';', {absent}), ''), 'missing-cell')"
    return (
        f"WHEN {shapes.SHAPE} = {shapes.HEADER} THEN 'repeated-header' WHEN {shapes.SHAPE} = {shapes.OPEN_QUOTE} THEN 'unbalanced-quote' "
        f"WHEN {shapes.SHAPE} = {shapes.SHORT} THEN {short} WHEN {shapes.SHAPE} = {shapes.LONG} THEN 'extra-cell'"
    )
