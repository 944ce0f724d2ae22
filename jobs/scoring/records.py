"""Records of a CSV file whose quoted cells run over line ends, told apart from quotes that were never closed.

A record starts on a line of its own. If its quotes are still open at the line end, following lines belong to it, as
long as that ends in a record of the right width; otherwise the first line alone is at fault and the next one starts anew.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from typing import Optional

from pyspark.cloudpickle import register_pickle_by_value
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from jobs.contract.header import Layout

# one cell with a comma in front: quoted (a doubled quote is a quote), or plain (a quote inside it is just a character)
CELL = r',((?:"[^"]*")+(?![^,])|[^",][^,]*|(?=,|\Z))'
# the same for Java, which would recurse once a character without possessive quantifiers
CELL_POSSESSIVE = r',(?:(?:"[^"]*+")++(?![^,])|[^",][^,]*+|(?=,|\z))'
# a record put together here is numbered within its file, not within a block of it
NO_BLOCK = -1
LOOK_AHEAD_LINES = 10_000
LOOK_AHEAD_CHARS = 64 << 20

_CELL = re.compile(CELL)
OUTPUT = T.StructType(
    [
        T.StructField("cells", T.ArrayType(T.StringType())),
        T.StructField("kind", T.IntegerType()),
        T.StructField("_na_file", T.StringType()),
        T.StructField("_na_block", T.LongType()),
        T.StructField("_na_id", T.LongType()),
    ]
)
Stitched = tuple[Optional[list[str]], int, str, int, int]


def stitched(lines: DataFrame, layout: Layout) -> DataFrame:
    """Lines (with their place) into `cells`, `kind` and place; `_na_id` is the line the record starts on, from 1."""
    in_order = lines.repartition("_na_file").sortWithinPartitions("_na_file", "_na_block", "_na_id")
    width, header = layout.width, layout.header
    # a worker need not have this project on its path: what runs there is sent along
    register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]
    rdd = in_order.select("_na_file", "value").rdd.map(tuple).mapPartitions(lambda part: stitch(part, width, header))
    spark: SparkSession = lines.sparkSession
    return spark.createDataFrame(rdd, OUTPUT, verifySchema=False)


def stitch(lines: Iterable[tuple[str, str]], width: int, header: str) -> Iterator[Stitched]:
    """(file, line) in order into (cells, kind, file, -1, line number).

    Kinds are those of `read`: 0 fine, 1 a header, 2 blank, 3 a quote that never closes, whose line is cut at its commas.
    """
    ahead = _Ahead(lines)
    while (head := ahead.next()) is not None:
        file, number, raw = head
        line = _ended(raw)
        if line == header:
            yield None, 1, file, NO_BLOCK, number
        elif not line:
            yield None, 2, file, NO_BLOCK, number
        else:
            cells = _record(ahead, file, raw, width)
            yield cells or line.split(","), 3 if cells is None else 0, file, NO_BLOCK, number


def cells_of(record: str) -> Optional[list[str]]:
    """The cells of one record, or None when a quote that opens a cell does not close it."""
    text = "," + record
    cells, end = [], 0
    for match in _CELL.finditer(text):
        if match.start() != end:
            return None
        cell, end = match[1], match.end()
        cells.append(cell[1:-1].replace('""', '"') if cell.startswith('"') else cell)
    return cells if end == len(text) else None


def _ended(line: str) -> str:
    """A line without the CR of its line end; one inside a quoted cell is the cell's own."""
    return line[:-1] if line.endswith("\r") else line


def _record(ahead: "_Ahead", file: str, line: str, width: int) -> Optional[list[str]]:
    cells = cells_of(_ended(line))
    if cells is not None:
        return cells
    text, size = [line], len(line)
    for taken, (later_file, _, later) in enumerate(ahead.peek(), start=1):
        size += len(later) + 1
        if later_file != file or taken > LOOK_AHEAD_LINES or size > LOOK_AHEAD_CHARS:
            return None
        text.append(later)
        if '"' in later:
            cells = cells_of(_ended("\n".join(text)))
            if cells is not None:
                if len(cells) != width:
                    return None
                ahead.skip(taken)
                return cells
            # still open, or wrong for good? only a quote that has not closed may go on
            if not _still_open("\n".join(text)):
                return None
    return None


def _still_open(text: str) -> bool:
    return cells_of(text + '"') is not None


class _Ahead:
    """Numbered lines of several files, with any number of them looked at before they are taken."""

    def __init__(self, lines: Iterable[tuple[str, str]]) -> None:
        self._source = iter(lines)
        self._held: list[tuple[str, int, str]] = []
        self._start = 0
        self._file, self._number = "", 0

    def next(self) -> Optional[tuple[str, int, str]]:
        for item in self.peek():
            self.skip(1)
            return item
        return None

    def peek(self) -> Iterator[tuple[str, int, str]]:
        at = self._start
        while True:
            if at == len(self._held):
                pulled = next(self._source, None)
                if pulled is None:
                    return
                self._number = self._number + 1 if pulled[0] == self._file else 1
                self._file = pulled[0]
                self._held.append((pulled[0], self._number, pulled[1]))
            yield self._held[at]
            at += 1

    def skip(self, count: int) -> None:
        self._start += count
        if self._start > 1000 and self._start * 2 > len(self._held):
            del self._held[: self._start]
            self._start = 0
