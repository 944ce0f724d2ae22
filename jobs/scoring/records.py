"""Records of a CSV file whose quoted cells run over line ends, told apart from quotes that were never closed.

A record starts on a line of its own. If its quotes are still open at the line end, following lines belong to it, as
long as that ends in a record of the right width; otherwise the first line alone is at fault and the next one starts anew.
"""

import sys
from collections.abc import Iterable, Iterator
from typing import Optional

from pyspark.cloudpickle import register_pickle_by_value
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from jobs.contract.header import Layout

# for Java, one cell with a comma in front: quoted (a doubled quote is a quote), or plain (a quote inside it is just a
# character); it would recurse once a character without possessive quantifiers
CELL = r',((?:"[^"]*+")++(?![^,])|[^",][^,]*+|(?=,|\z))'
# a record put together here is numbered within its file, not within a block of it
NO_BLOCK = -1
LOOK_AHEAD_LINES = 1_000_000
LOOK_AHEAD_CHARS = 64 << 20

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

    Kinds are those of `shapes`: 0 fine, 1 a header, 2 blank, 3 a quote that never closes, whose line is cut at its commas.
    """
    ahead = _Ahead(lines)
    while (head := ahead.next()) is not None:
        file, number, raw = head
        line = _ended(raw)
        if not line:
            yield None, 2, file, NO_BLOCK, number
        else:
            cells = _record(ahead, file, raw, width)
            kind = 1 if line == header else 3 if cells is None else 0
            yield cells or line.split(","), kind, file, NO_BLOCK, number


def _ended(line: str) -> str:
    """A line without the CR of its line end; one inside a quoted cell is the cell's own."""
    return line[:-1] if line.endswith("\r") else line


def _record(ahead: "_Ahead", file: str, line: str, width: int) -> Optional[list[str]]:
    """The cells of the record that starts with `line`, further lines taken as needed; None when it never closes."""
    record = _Record()
    record.add(line)
    if not record.open:
        return record.cells
    size = len(line)
    for taken, (later_file, _, later) in enumerate(ahead.peek(), start=1):
        size += len(later) + 1
        if later_file != file or taken > LOOK_AHEAD_LINES or size > LOOK_AHEAD_CHARS:
            return None
        record.add(later)
        if not record.open:
            if record.cells is None or len(record.cells) != width:
                return None
            ahead.skip(taken)
            return record.cells
    return None


class _Record:
    """A record put together line by line, each character looked at once: one cell may go on over very many lines."""

    def __init__(self) -> None:
        # None once a closing quote is followed by text: no further line can mend that
        self.cells: Optional[list[str]] = []
        self._quoted: list[str] = []

    @property
    def open(self) -> bool:
        """Whether a quoted cell goes on in the next line."""
        return bool(self._quoted)

    def add(self, raw: str) -> None:
        """Take one more line."""
        text, at, cells = _ended(raw), 0, self.cells
        assert cells is not None  # noqa: S101 - for mypy
        while True:
            if self._quoted or text.startswith('"', at):
                start = at if self._quoted else at + 1
                at = _closing_quote(text, start)
                self._quoted.append(raw[start:] if at < 0 else text[start:at])
                if at < 0:
                    return
                cells.append("\n".join(self._quoted).replace('""', '"'))
                self._quoted, at = [], at + 1
                if text[at : at + 1] not in ("", ","):
                    self.cells = None
                    return
            else:
                comma = text.find(",", at)
                start, at = at, len(text) if comma < 0 else comma
                cells.append(text[start:at])
            if at == len(text):
                return
            at += 1


def _closing_quote(text: str, start: int) -> int:
    """Where the first quote stands that is not one of a doubled pair, or -1."""
    at = text.find('"', start)
    while at >= 0 and text.startswith('"', at + 1):
        at = text.find('"', at + 2)
    return at


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
