"""Typed values and a reason, or none, for every record. Nothing here drops a row."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.contract.table_schema import REASONS, Field, TableSchema
from jobs.scoring import casts, methods, read, shapes, sql
from jobs.scoring.chain import Chain

VALID = "_na_valid"


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
    # the check of a decimal is half as long again as others
    size = methods.CHECKS - any(map(casts.is_decimal, schema.fields))
    groups = methods.groups(schema.fields, size) if parted else [schema.fields]
    wanted = [*schema.names, *keep, shapes.SHAPE, VALID]
    return methods.one_by_one(rows, [*_steps(groups, schema, required), lambda records: records.only(wanted)])


def _steps(groups: Iterable[Sequence[Field]], schema: TableSchema, required: frozenset[str]) -> Iterator[methods.Step]:
    """Look at one of the `groups` of columns after the other."""
    valid = shapes.PROPER
    for fields in groups:
        if valid == VALID:
            yield methods.on_a_frame(partial(methods.parted, column=VALID, other="false"))
        yield partial(_looked_at, schema=schema, fields=fields, fine=_fine(valid, fields, schema, required))
        valid = VALID


def _looked_at(records: Chain, schema: TableSchema, fields: Sequence[Field], fine: str) -> Chain:
    own = {kept + field.name for field in fields for kept in (casts.RAW, casts.QUICK)}
    return casts.typed_beside_raw(records, schema, fields).also({VALID: fine}).without(own)


def rejected(rows: DataFrame, schema: TableSchema, required: frozenset[str]) -> DataFrame:
    """The rows that `check` leaves out, blank lines aside, but with header lines: raw cells, place and `_reasons`, never empty."""
    records = fenced(both(rows, schema, required).selectExpr(*_as_they_came(schema), shapes.SHAPE, VALID, *read.PLACE))
    # a second fence costs nothing behind the filter, and parts the code for all rows from that for the few: together they
    # would be too much for one method
    bad = fenced(records.where(f"NOT {VALID} AND {shapes.SHAPE} != {shapes.BLANK}"))
    # the reasons are worked out for these alone, from the cells anew: carried along for every row, they cost it dear
    return reasoned(bad, schema, required)


def reasoned(bad: DataFrame, schema: TableSchema, required: frozenset[str]) -> DataFrame:
    """`read.rows` that are known to be at fault, with their place: the same, as raw cells, with place and `_reasons`."""
    beside = casts.typed_beside_raw(Chain(bad), schema, schema.fields)
    return beside.frame().selectExpr(*_as_they_came(schema), *read.PLACE, f"{_reasons(schema, required)} AS {REASONS}")


def both(rows: DataFrame, schema: TableSchema, required: frozenset[str]) -> DataFrame:
    """All of `rows` with their place, typed as the schema says and beside that as they came, with `shapes.SHAPE` and `VALID`."""
    fine = _fine(shapes.PROPER, schema.fields, schema, required)
    return casts.typed_beside_raw(Chain(rows), schema, schema.fields).also({VALID: fine}).frame()


def explained(records: DataFrame, schema: TableSchema, required: frozenset[str], other: str) -> DataFrame:
    """What `both` gave, blank lines aside: raw cells, place and `_reasons`, which is `other` (SQL) for a valid row."""
    reasons = f"CASE WHEN {VALID} THEN {other} ELSE {_reasons(schema, required)} END AS {REASONS}"
    return records.where(f"{shapes.SHAPE} != {shapes.BLANK}").selectExpr(*_as_they_came(schema), *read.PLACE, reasons)


def _reasons(schema: TableSchema, required: frozenset[str]) -> str:
    each = ", ".join(_reason(field, schema, required) for field in schema.fields)
    return f"CASE {_shape_reasons(schema)} ELSE concat_ws(';', {each}) END"


def _fine(valid: str, fields: Sequence[Field], schema: TableSchema, required: frozenset[str]) -> str:
    """SQL: whether a record that is `valid` so far (SQL) has nothing at fault in any of `fields`."""
    faults = [_fault(field, schema, field.name in required) for field in fields]
    return " AND ".join([valid, *(f"NOT {fault}" for fault in faults)])


def fenced(frame: DataFrame) -> DataFrame:
    """`frame`, observed: Spark would push a filter on it below the split, copying every expression that it is made of."""
    return frame.observe(f"fence {uuid.uuid4()}", F.count(F.lit(1)).alias("rows"))


def _as_they_came(schema: TableSchema) -> list[str]:
    """The raw cells under their own names."""
    return [f"{casts.raw(field)} AS {sql.name(field.name)}" for field in schema.fields]


def _fault(field: Field, schema: TableSchema, model_needs: bool) -> str:
    """SQL that is true when the cell is at fault, false when not, never null."""
    missing, wrong = casts.missing(casts.raw(field), schema), _wrong(field)
    if not (field.required or model_needs):
        return f"(NOT {missing} AND {wrong})"
    # of any other type a missing value is null, which does not read as its type
    return f"({missing} OR {wrong})" if field.type == "string" else wrong


def _wrong(field: Field) -> str:
    return "(" + " OR ".join([casts.misread(field), *_violations(field)]) + ")"


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
    missing = casts.missing(casts.raw(field), schema)
    empty = f"concat('constraint-error', {column})" if field.required or field.name in required else "NULL"
    unread = "encoding-error" if field.type == "string" else "type-error"
    broken = " OR ".join(_violations(field)) or "false"
    return (
        f"CASE WHEN {missing} THEN {empty} WHEN {casts.misread(field)} THEN concat('{unread}', {column}) "
        f"WHEN {broken} THEN concat('constraint-error', {column}) END"
    )


def _shape_reasons(schema: TableSchema) -> str:
    absent = ", ".join(
        f"CASE WHEN {casts.raw(f)} IS NULL THEN {sql.text('missing-cell:' + f.name)} END" for f in schema.fields
    )
    short = f"coalesce(nullif(concat_ws(';', {absent}), ''), 'missing-cell')"
    return (
        f"WHEN {shapes.SHAPE} = {shapes.HEADER} THEN 'repeated-header' WHEN {shapes.SHAPE} = {shapes.OPEN_QUOTE} THEN 'unbalanced-quote' "
        f"WHEN {shapes.SHAPE} = {shapes.SHORT} THEN {short} WHEN {shapes.SHAPE} = {shapes.LONG} THEN 'extra-cell' "
        f"WHEN {shapes.SHAPE} = {shapes.UNCORRECTED} THEN 'uncorrected'"
    )
