"""Text or Parquet into the schema's columns, bound by name, each cell as it stands in the file.

CSV is read as text and split line by line (`shapes.py`). Only where a quoted cell runs over a line end, lines have to be
stitched together (`windows.py`), and only then is that done.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Optional

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.contract.header import Layout, is_gzip
from jobs.contract.table_schema import TableSchema
from jobs.scoring import commas, footers, listed, session, shapes, sql, windows
from jobs.scoring.calls import calls_of

PLACE = FILE, BLOCK, ROW_ID = shapes.PLACE
NUMBERING = "monotonically_increasing_id()"
NUMBERED = f"{NUMBERING} AS {ROW_ID}"
LOCATED = (f"_metadata.file_path AS {FILE}", f"_metadata.file_block_start AS {BLOCK}", NUMBERED)
# SQL: `FILE` without the escapes of a URI, so that files sort by name; nearly none has one
FILE_NAME = f"CASE WHEN contains({FILE}, '%') THEN url_decode(replace({FILE}, '+', '%2B')) ELSE {FILE} END"
Pick = Callable[[DataFrame], DataFrame]
Layouts = Mapping[Layout, Mapping[str, int]]
LONGEST_LINE = "mapreduce.input.linerecordreader.line.maxlength"


@dataclass(frozen=True)
class Source:
    """What to read: CSV files by layout with their sizes, Parquet files by the schema's columns in them (SQL), as URIs that Spark takes.

    `size` is in bytes as the files lie there. What a first pass has found out: which lines are `broken` by line ends in quoted cells, if
    that was looked at (`windows.py`); by task, how many `records` there are, the lines that it has set `aside` (`aside.py`), and which
    records did not come out of the model (`gaps.py`); and the rows that are `repeated` (`unique.repeated`).
    """

    csv: Layouts
    parquet: Mapping[str, list[str]]
    size: int
    broken: Optional[Mapping[Layout, windows.Stitched]] = None
    records: Mapping[int, int] = field(default_factory=dict)
    aside: Mapping[int, Any] = field(default_factory=dict)
    gaps: Mapping[int, Any] = field(default_factory=dict)
    repeated: Optional[DataFrame] = None

    @property
    def packed(self) -> bool:
        """Whether there may be far more bytes in the rows than in the files."""
        return bool(self.parquet) or any(is_gzip(uri) for files in self.csv.values() for uri in files)

    @property
    def numbered_alike(self) -> bool:
        """Whether its rows have the same numbers whatever else is read of them: not where those of very many lines were moved."""
        return all(stitched.few for stitched in (self.broken or {}).values())

    @property
    def csv_files(self) -> int:
        """How many files have a header line."""
        return sum(map(len, self.csv.values()))

    @property
    def files(self) -> int:
        """How many there are."""
        return self.csv_files + sum(map(len, self.parquet.values()))


def source(spark: SparkSession, layouts: Layouts, parquet: list[str], schema: TableSchema, *, size: int) -> Source:
    """What to read, `size` bytes in all. Raises `InputRefusedError` for a Parquet file that has not all of the columns, each as a cell."""
    groups: dict[str, list[str]] = {}
    for uri, columns in footers.columns(spark, parquet, schema):
        groups.setdefault(columns, []).append(uri)
    return Source(layouts, groups, size)


def one_scan(source: Source) -> bool:
    """Whether all of it is read in one go, by tasks that are numbered alike each time."""
    return len(source.csv) == 1 and not (source.parquet or source.broken)


def by_bytes(source: Source) -> bool:
    """Whether all of it is split by the places of its commas, unless its place is kept."""
    return not source.parquet and all(layout.width <= commas.MOST_CELLS for layout in source.csv)


def rows(
    spark: SparkSession,
    source: Source,
    schema: TableSchema,
    *,
    keep: tuple[str, ...] = (),
    pick: Pick = lambda all: all,
) -> DataFrame:
    """One row a record, header and blank lines included: the schema's columns as strings, `shapes.SHAPE`, and what to `keep`.

    That may be `PLACE`, whose `ROW_ID`s are within a file in the order of its records, or of one scan's rows `shapes.LINE`.
    Of each scan, one after the other, only those lines or rows are taken that `pick` leaves.
    """
    branches = []
    for layout, lines in _records(spark, source, located=keep == PLACE):
        branches.append(shapes.split(pick(lines), layout, schema, keep))
    for frame in map(pick, parquet_frames(spark, source)):
        cells = [_as_text(frame, column) for column in schema.names]
        branches.append(frame.select(*cells, *map(F.expr, (f"{shapes.OK} AS {shapes.SHAPE}", *keep))))
    if len(branches) > 1:
        branches = [frame.select(*map(sql.name, schema.names), shapes.SHAPE, *keep) for frame in branches]
    return reduce(DataFrame.unionAll, branches)


def some_cells(spark: SparkSession, source: Source, schema: TableSchema, names: tuple[str, ...]) -> DataFrame:
    """The columns `names` alone, as strings, for a fraction of what `rows` costs. A line too short gives its last cell."""
    branches = []
    for layout, lines in _records(spark, source, located=False):
        at = {n: position for n, position in zip(schema.names, layout.positions) if n in names}
        # a comma parts two cells unless a quote stands before it; what comes after the last of `names` is not looked at
        upto = f"substring_index(line, ',', {max(at.values()) + 1}) AS line"
        head = lines.where(f"line != {sql.text(layout.header)} AND line != ''").selectExpr(upto, "line AS whole")
        exact = head.selectExpr("line", f"CASE WHEN {shapes.QUOTED} THEN {commas.quoted_cells('whole')} END AS cells")
        quick = "substring_index(substring_index(line, ',', {}), ',', -1)".format
        cells = [
            f"CASE WHEN cells IS NULL THEN {quick(at[n] + 1)} ELSE {shapes.unquoted(f'cells[{at[n]}]')} END"
            for n in names
        ]
        branches.append(exact.selectExpr(*(f"{cell} AS {sql.name(n)}" for cell, n in zip(cells, names))))
    branches += [frame.select(*(_as_text(frame, n) for n in names)) for frame in parquet_frames(spark, source)]
    return reduce(DataFrame.unionAll, branches)


def broken(spark: SparkSession, source: Source) -> dict[Layout, windows.Stitched]:
    """What comes in the place of the lines of `source` that line ends in quoted cells have broken. Two passes, over such input only."""
    found = ((layout, windows.stitched(it, layout.width)) for layout, it in csv_lines(spark, source, located=True))
    return {layout: stitched for layout, stitched in found if stitched}


def damaged(spark: SparkSession, layouts: Layouts) -> Optional[str]:
    """The first compressed file that does not read to its end, found by reading them one by one."""
    for uri in (uri for files in layouts.values() for uri in files if is_gzip(uri)):
        try:
            spark.read.text(session.exactly(uri)).count()
        except Exception:  # whatever Spark says of it
            return uri
    return None


def _records(spark: SparkSession, source: Source, *, located: bool) -> Iterator[tuple[Layout, DataFrame]]:
    """Each layout with its lines, put together where a record has several of them."""
    told = source.broken or {}
    # only where it is asked for: each row would carry its place through the splitting
    for layout, lines in csv_lines(spark, source, located=located or bool(told)):
        yield layout, windows.stitch(lines, told[layout]) if layout in told else lines


def csv_lines(spark: SparkSession, source: Source, *, located: bool) -> list[tuple[Layout, DataFrame]]:
    """Each layout with its lines: `line`, without the CR of a line end, and `value`, with it; `PLACE` if `located`."""
    # Hadoop's default also ends a line at a lone CR, which may stand inside a quoted cell
    line = "CASE WHEN endswith(value, '\\r') THEN left(value, length(value) - 1) ELSE value END AS line"
    columns = [line, "value", *(LOCATED if located else ())]
    # a platform may have lines of some length passed over
    options = {"lineSep": "\n", LONGEST_LINE: str((1 << 31) - 1)}

    def texts(files: Mapping[str, int]) -> DataFrame:
        if all(uri.startswith("file:") for uri in files):  # a disk lists them sooner than Spark could be told of them
            return spark.read.options(**options).text([session.exactly(uri) for uri in files])
        return listed.texts(spark, files, options)

    return [(layout, texts(files).selectExpr(*columns)) for layout, files in source.csv.items()]


def parquet_frames(spark: SparkSession, source: Source) -> list[DataFrame]:
    """The schema's columns of the Parquet files, those of the same types together, with `PLACE`."""
    return [
        spark.read.schema(columns).parquet(*map(session.exactly, files)).selectExpr("*", *LOCATED)
        for columns, files in source.parquet.items()
    ]


def _as_text(frame: DataFrame, column: str) -> Column:
    """A typed Parquet column as the text a CSV would hold, so that one path checks both."""
    kind, quoted = dict(frame.dtypes)[column], sql.name(column)
    if kind == "float":  # widened first, as the model would get it
        return F.expr(f"CAST(CAST({quoted} AS double) AS string) AS {quoted}")
    if kind == "string":  # bytes that are no characters become U+FFFD
        calls = calls_of(frame.sparkSession)
        return F.when(F.expr(f"{quoted} IS NOT NULL"), calls.column(calls.text(calls.sql(quoted)))).alias(column)
    return F.expr(f"CAST({quoted} AS string) AS {quoted}")
