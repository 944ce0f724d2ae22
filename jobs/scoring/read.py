"""Text or Parquet into the schema's columns, bound by name, each cell as it stands in the file.

CSV is read as text and split in generated code. A line with quotes takes an exact path (RFC 4180); only a file in which
a quoted cell runs over a line end needs its lines stitched together (`records.py`), and only then is that done.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.contract.header import Layout
from jobs.contract.table_schema import TableSchema
from jobs.errors import InputRefusedError
from jobs.scoring import records, session, sql

# how a record stands in its file: what `SHAPE` holds
OK, HEADER, BLANK, OPEN_QUOTE, SHORT, LONG = range(6)
SHAPE, FILE, BLOCK, ROW_ID = "_na_shape", "_na_file", "_na_block", "_na_id"
PLACE = (FILE, BLOCK, ROW_ID)
# decoded, so that files sort by name
WHERE_FROM = (
    f"url_decode(replace(_metadata.file_path, '+', '%2B')) AS {FILE}",
    f"_metadata.file_block_start AS {BLOCK}",
)
FIRST_ID, BEFORE = "_na_first_id", "_na_before"


@dataclass(frozen=True)
class Source:
    """What to read: CSV files by layout, Parquet files by footer schema, as URIs that Spark takes.

    `broken` names the files (as Spark spells them) in which a quoted cell runs over a line end.
    """

    csv: Mapping[Layout, list[str]]
    parquet: tuple[list[str], ...]
    size: int
    broken: frozenset[str] = frozenset()

    @property
    def csv_files(self) -> int:
        """How many files have a header line."""
        return sum(map(len, self.csv.values()))


def source(
    spark: SparkSession, layouts: Mapping[Layout, list[str]], parquet: list[str], schema: TableSchema, *, size: int
) -> Source:
    """What to read, `size` bytes in all. Raises `InputRefusedError` for a Parquet file without one of the columns."""
    # tasks by size alone, so that the parts do not depend on the number of cores
    spark.conf.set("spark.sql.shuffle.partitions", str(session.partitions(size)))
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for uri in parquet:
        columns = tuple(_reader(spark).parquet(uri).dtypes)
        lacking = [name for name in schema.names if name not in dict(columns)]
        if lacking:
            raise InputRefusedError(
                f"{uri}: no column {lacking[0]!r}; it has {', '.join(dict(columns))[:200]}; correct the file or the schema"
            )
        groups.setdefault(columns, []).append(uri)
    return Source(layouts, tuple(groups.values()), size)


def rows(spark: SparkSession, source: Source, schema: TableSchema, *, located: bool = False) -> DataFrame:
    """One row a record, header and blank lines included: the schema's columns as strings, and `SHAPE`.

    With `located`, also `FILE`, `BLOCK` and `ROW_ID`, whose order within a file is that of its records.
    """
    branches = []
    for layout, lines in _csv_lines(spark, source):
        whole = lines.where(~F.col(FILE).isin(*source.broken)) if source.broken else lines
        branches.append(_split(whole, layout, schema, located))
        if source.broken:
            stitched = records.stitched(lines.where(F.col(FILE).isin(*source.broken)), layout)
            branches.append(_bound(stitched, layout, schema, located))
    for frame in _parquet_frames(spark, source):
        cells = [_as_text(frame, column) for column in schema.names]
        branches.append(frame.selectExpr(*cells, f"{OK} AS {SHAPE}", *(PLACE if located else ())))
    return reduce(DataFrame.unionAll, branches)


def broken_files(spark: SparkSession, source: Source) -> frozenset[str]:
    """The files with a line whose quotes do not close, as Spark spells them. A pass of its own, over such input only."""
    found: set[str] = set()
    for _, lines in _csv_lines(spark, source):
        opened = lines.where("contains(line, '\"')").where(f"NOT ({_closed('line')})")
        found.update(row[0] for row in opened.select(FILE).distinct().collect())
    return frozenset(found)


def places(spark: SparkSession, source: Source) -> DataFrame:
    """For each block of each file its `FIRST_ID` (the lowest `ROW_ID` in it) and how many records are `BEFORE` it."""
    # a stitched file's rows are numbered by line already
    whole = [frame.where(~F.col(FILE).isin(*source.broken)) for _, frame in _csv_lines(spark, source)]
    frames = whole + _parquet_frames(spark, source)
    ids = reduce(DataFrame.unionAll, [frame.select(*PLACE) for frame in frames])
    blocks = ids.groupBy(FILE, BLOCK).agg(F.min(ROW_ID).alias(FIRST_ID), F.count("*").alias("n"))
    before = f"coalesce(sum(n) OVER (PARTITION BY {FILE} ORDER BY {BLOCK} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)"
    return blocks.selectExpr(FILE, BLOCK, FIRST_ID, f"{before} AS {BEFORE}")


def _csv_lines(spark: SparkSession, source: Source) -> list[tuple[Layout, DataFrame]]:
    # Hadoop's default also ends a line at a lone CR, which may stand inside a quoted cell
    line = "CASE WHEN endswith(value, '\\r') THEN left(value, length(value) - 1) ELSE value END AS line"
    located = [line, "value", *WHERE_FROM, f"monotonically_increasing_id() AS {ROW_ID}"]
    reader = _reader(spark).option("lineSep", "\n")
    return [
        (layout, reader.text(some).selectExpr(*located))
        for layout, files in source.csv.items()
        for some in _told_apart(files)
    ]


def _parquet_frames(spark: SparkSession, source: Source) -> list[DataFrame]:
    located = ["*", *WHERE_FROM, f"monotonically_increasing_id() AS {ROW_ID}"]
    return [
        _reader(spark).parquet(*some).selectExpr(*located) for files in source.parquet for some in _told_apart(files)
    ]


def _told_apart(files: list[str]) -> list[list[str]]:
    """Files whose names Spark takes for a glob, and the others: read together, it would read the others twice."""
    odd = [uri for uri in files if re.search(r"[{}\[\]*?\\]", uri)]
    plain = [uri for uri in files if uri not in odd]
    return [some for some in (plain, odd) if some]


def _reader(spark: SparkSession) -> Any:
    # a file is the file of that very name, also with a bracket or star in it
    return spark.read.option("__globPaths__", "false")


def _split(lines: DataFrame, layout: Layout, schema: TableSchema, located: bool) -> DataFrame:
    quoted = f"CASE WHEN {_closed('line')} THEN {_unquoted('line')} END"
    cells = f"CASE WHEN contains(line, '\"') THEN {quoted} ELSE split(line, ',', -1) END"
    kind = f"CASE WHEN line = {sql.text(layout.header)} THEN {HEADER} WHEN line = '' THEN {BLANK} ELSE {OK} END"
    columns = [f"{cells} AS cells", f"{kind} AS kind", *(PLACE if located else ())]
    return _bound(lines.selectExpr(*columns), layout, schema, located)


def _bound(cells: DataFrame, layout: Layout, schema: TableSchema, located: bool) -> DataFrame:
    """`cells` (array) and `kind` into the schema's columns by the layout's positions."""
    shape = (
        f"CASE WHEN kind != {OK} THEN kind WHEN cells IS NULL THEN {OPEN_QUOTE} "
        f"WHEN size(cells) < {layout.width} THEN {SHORT} WHEN size(cells) > {layout.width} THEN {LONG} ELSE {OK} END AS {SHAPE}"
    )
    bound = [f"cells[{at}] AS {sql.name(column)}" for column, at in zip(schema.names, layout.positions)]
    return cells.selectExpr(*bound, shape, *(PLACE if located else ()))


def _cells(line: str) -> str:
    """Every cell of a line with its leading comma, one given to the first as well; see `records.CELL`."""
    return f"regexp_extract_all(concat(',', {line}), {sql.text(records.CELL)}, 0)"


def _closed(line: str) -> str:
    """Whether the cells account for every character: each quote that opens a cell also closes it."""
    return f"array_join({_cells(line)}, '') = concat(',', {line})"


def _unquoted(line: str) -> str:
    inner = "replace(substring(c, 3, length(c) - 3), '\"\"', '\"')"
    return f"transform({_cells(line)}, c -> CASE WHEN startswith(c, ',\"') THEN {inner} ELSE substring(c, 2) END)"


def _as_text(frame: DataFrame, column: str) -> str:
    """A typed Parquet column as the text a CSV would hold, so that one path checks both."""
    kind, quoted = dict(frame.dtypes)[column], sql.name(column)
    if kind == "float":  # widened first, as the model would get it
        return f"CAST(CAST({quoted} AS double) AS string) AS {quoted}"
    return f"CAST({quoted} AS string) AS {quoted}"
