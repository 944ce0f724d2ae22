"""What a line is, and its cells, bound to the schema's columns by name.

It is split in generated code: by the places of its commas, and where it has quotes by an exact path (RFC 4180).
"""

from collections.abc import Callable, Iterator
from functools import partial

from pyspark.sql import DataFrame

from jobs.contract.header import Layout
from jobs.contract.table_schema import NOT_IN_CELLS, REASONS, Field, TableSchema
from jobs.scoring import commas, methods, sql
from jobs.scoring.chain import Chain

# how a record stands in its file: what `SHAPE` holds
OK, HEADER, BLANK, OPEN_QUOTE, SHORT, LONG, UNCORRECTED = range(7)
SHAPE, LINE = "_na_shape", "_na_line"
# columns that tell where a line stands: its file, the start of a block of that, and a number
PLACE = ("_na_file", "_na_block", "_na_id")
# SQL: whether a record is one, by its shape
PROPER = f"{SHAPE} = {OK}"
QUOTED = "contains(line, '\"')"


def split(lines: DataFrame, layout: Layout, schema: TableSchema, keep: tuple[str, ...]) -> DataFrame:
    """Each `line` as one of `read.rows`."""
    place = [name for name in keep if name != LINE]
    # apart, so that each line is searched once; never null, as that spares the code after it many a test
    apart = {"line": "coalesce(line, '')"}
    # rows that are told apart by their place may be rejected, and are to be shown as they stand in the file
    if layout.width <= commas.MOST_CELLS and not place:
        return methods.one_by_one(lines, [lambda chain: chain.only([], apart), *_steps(layout, schema, keep)])
    exact = f"CASE WHEN quoted THEN {commas.quoted_cells('line')} ELSE split(line, ',', -1) END"
    found = Chain(lines).only(place, apart).also({"quoted": QUOTED})
    cut = found.also({"cells": exact, "kind": f"{_kind(layout)} ELSE {OK} END"})
    # each quote that opens a cell must also close it; where one does not, the line is cut at its commas
    kind = f"CASE WHEN kind = {OK} AND quoted AND NOT ({closed('cells')}) THEN {OPEN_QUOTE} ELSE kind END"
    cells = f"CASE WHEN kind = {OPEN_QUOTE} THEN split(line, ',', -1) ELSE cells END"
    kinds = cut.also({"kind": kind}).only(["kind", *place], {"cells": cells, **_kept(keep)}).frame()
    columns = {name: f"cells[{at}]" for name, at in zip(schema.names, layout.positions)}
    bare = [
        f"CASE WHEN kind = {OPEN_QUOTE} THEN {cell} ELSE {unquoted(cell)} END AS {sql.name(n)}"
        for n, cell in columns.items()
    ]
    size = "array_size(cells)"
    width = f"WHEN {size} < {layout.width} THEN {SHORT} WHEN {size} > {layout.width} THEN {LONG}"
    shape = _corrected(f"CASE WHEN kind != {OK} THEN kind {width} ELSE {OK} END", layout, "cells[{}]".format)
    return kinds.selectExpr(*bare, f"{shape} AS {SHAPE}", *keep)


def _steps(layout: Layout, schema: TableSchema, keep: tuple[str, ...]) -> Iterator[methods.Step]:
    """From lines to the same, by the places of the commas; cells of what is no proper record are empty."""
    wide = layout.width > methods.COLUMNS
    yield from commas.looked_for(layout.width)
    if wide:
        yield methods.on_a_frame(partial(methods.parted, column="quoted", other="false"))
    shape = (
        f"{_kind(layout)} WHEN NOT {commas.CLOSED} THEN {OPEN_QUOTE} WHEN {commas.too_few(layout.width)} THEN {SHORT} "
        f"WHEN {commas.too_many(layout.width)} THEN {LONG} ELSE {OK} END"
    )
    yield lambda found: found.also({SHAPE: shape}).without(commas.FOUND)
    # a cell that is to be held against such a value has to be read to the last character, whatever its type
    odd = any(char in value for value in schema.missing_values for char in (commas.QUOTE, "\ufffd"))
    fields = [*zip(layout.positions, schema.fields)]
    if layout.reasons is not None:
        fields.append((layout.reasons, Field(REASONS, "string", "string", {})))
    in_order = sorted(fields, key=lambda column: column[0])
    for columns in methods.groups(in_order, methods.CELLS):
        yield partial(commas.cells, width=layout.width, columns=columns, fine=PROPER, as_text=odd)
        if wide:
            yield methods.on_a_frame(partial(methods.parted, column=SHAPE, other="0"))
    named = {name: commas.cell(at) for at, name in zip(layout.positions, schema.names)}
    yield lambda cells: cells.only([], {**named, SHAPE: _corrected(SHAPE, layout, commas.cell), **_kept(keep)})


def _kind(layout: Layout) -> str:
    """The start of SQL for what a line is, if no record."""
    return f"CASE WHEN line = {sql.text(layout.header)} THEN {HEADER} WHEN line = '' THEN {BLANK}"


def _kept(keep: tuple[str, ...]) -> dict[str, str]:
    return {LINE: "line"} if LINE in keep else {}


def _corrected(shape: str, layout: Layout, cell: Callable[[int], str]) -> str:
    """SQL for the `shape` (SQL) of a line, which in a rejects.csv may still have the fault for which it was rejected."""
    if layout.reasons is None:
        return shape
    # as it stands in the line it may be in quotes
    codes = rf'^"?({"|".join(NOT_IN_CELLS)})(?![^:;"])'
    return f"CASE WHEN {shape} = {OK} AND {cell(layout.reasons)} RLIKE {sql.text(codes)} THEN {UNCORRECTED} ELSE {shape} END"


def closed(cells: str) -> str:
    """Whether the cells of a line with quotes account for every character of it."""
    # Java made them of characters, which in the line may be bytes that are none
    return f"array_join({cells}, ',') = decode(CAST(line AS binary), 'UTF-8')"


def unquoted(cell: str) -> str:
    """A cell of such a line without the quotes around it."""
    inner = f"replace(substring({cell}, 2, length({cell}) - 2), '\"\"', '\"')"
    return f"CASE WHEN startswith({cell}, '\"') THEN {inner} ELSE {cell} END"
