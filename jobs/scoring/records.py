"""Records of a CSV file whose quoted cells run over line ends, told apart from quotes that were never closed.

A record starts on a line of its own. If its quotes are still open at the line end, following lines belong to it, as
long as that ends in a record of the right width; otherwise the first line alone is at fault and the next one starts anew.
"""

from collections.abc import Iterable, Iterator
from typing import Optional

LOOK_AHEAD_LINES = 1_000_000
LOOK_AHEAD_CHARS = 64 << 20
# file, start of a block of it, number and text
Line = tuple[str, int, int, str]


def stitch(lines: Iterable[Line], width: int) -> Iterator[tuple[int, Optional[str]]]:
    """The records of `width` cells that have several of the `lines`, which are in order.

    Gives the number of a record's first line with the text of all of them, and those of its other lines with None.
    """
    ahead = _Ahead(lines)
    while (first := ahead.next()) is not None:
        if later := _later_lines(ahead, first, width):
            *_, number, text = first
            yield number, "\n".join([text, *(line[-1] for line in later[:-1]), _ended(later[-1][-1])])
            for *_, number, _ in later:
                yield number, None


def _ended(line: str) -> str:
    """A line without the CR of its line end; one inside a quoted cell is the cell's own."""
    return line[:-1] if line.endswith("\r") else line


def _later_lines(ahead: "_Ahead", first: Line, width: int) -> list[Line]:
    """The lines that belong to the record which starts with the `first` one, taken; none if it is that alone, or never closes."""
    record, later = _Record(), list[Line]()
    record.add(_ended(first[-1]))
    size = len(first[-1])
    for line in ahead.peek() if record.open else ():
        size += len(line[-1]) + 1
        later.append(line)
        if line[0] != first[0] or len(later) > LOOK_AHEAD_LINES or size > LOOK_AHEAD_CHARS:
            return []
        record.add(_ended(line[-1]))
        if not record.open:
            if record.cells != width:
                return []
            ahead.skip(len(later))
            return later
    return []


class _Record:
    """The cells of a record, counted line by line, each character looked at once: one cell may go on over very many lines."""

    def __init__(self) -> None:
        # None once a closing quote is followed by text: no further line can mend that
        self.cells: Optional[int] = 0
        # whether a quoted cell goes on in the next line
        self.open = False

    def add(self, text: str) -> None:
        """Take one more line."""
        at = 0
        while self.cells is not None:
            if self.open or text.startswith('"', at):
                at = _closing_quote(text, at if self.open else at + 1)
                self.open = at < 0
                if self.open:
                    return
                at += 1
                if text[at : at + 1] not in ("", ","):
                    self.cells = None
                    return
            else:
                comma = text.find(",", at)
                at = len(text) if comma < 0 else comma
            self.cells += 1
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
    """Lines of several files, with any number of them looked at before they are taken."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._source = iter(lines)
        self._held: list[Line] = []
        self._start = 0

    def next(self) -> Optional[Line]:
        for item in self.peek():
            self.skip(1)
            return item
        return None

    def peek(self) -> Iterator[Line]:
        at = self._start
        while True:
            if at == len(self._held):
                pulled = next(self._source, None)
                if pulled is None:
                    return
                self._held.append(pulled)
            yield self._held[at]
            at += 1

    def skip(self, count: int) -> None:
        self._start += count
        if self._start > 1000 and self._start * 2 > len(self._held):
            del self._held[: self._start]
            self._start = 0
