"""Where the cells of a line start, found in its bytes: all that is needed to split it (docs/decisions/0014)."""

from collections.abc import Iterator, Sequence
from functools import partial

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.contract.table_schema import Field
from jobs.scoring import methods, sql
from jobs.scoring.calls import UTF8, Calls
from jobs.scoring.chain import Chain

QUOTE, QUOTE_BYTE = '"', "34Y"
# for Java, one cell with a comma in front: quoted (a doubled quote is a quote), or plain (a quote inside it is just a
# character); it would recurse once a character without possessive quantifiers
CELL = r',((?:"[^"]*+")++(?![^,])|[^",][^,]*+|(?=,|\z))'
ARRAYS, JAVA_ARRAYS = "org.apache.commons.lang3.ArrayUtils", "java.util.Arrays"
# each comma is a step of its own in the plan, and some 80 bytes of a method
MOST_CELLS = 30
# as many are planned together
STEPS = 8
# what stands between the cells of a line with quotes, where a comma may be part of a cell; and for it, should it be in one:
# either is no character that a cell may have
NUL, NO_CHARACTER = "'\\0'", "'\\uFFFD'"
# columns of `looked_for` that no cell needs
FOUND = ("line_bytes", "whole", "joined", "separator")
# SQL of what it gives: whether the quotes account for every character of the line
CLOSED = f"(NOT tangled OR replace(joined, {NUL}, ',') = whole)"


def looked_for(width: int) -> Iterator[methods.Step]:
    """Steps from lines with a never null `line` to what `CLOSED`, `too_few`, `too_many` and `cells` need of them."""
    yield partial(_disentangled, width=width)
    for places in methods.groups(range(1, width + 1), STEPS):
        if width > STEPS:
            yield methods.on_a_frame(methods.planned_apart)
        yield partial(_with_commas, places=places)


def _disentangled(lines: Chain, width: int) -> Chain:
    quoted = _index(lines.calls, "line_bytes", QUOTE_BYTE, "0") >= 0
    found = lines.also({"line_bytes": "CAST(line AS binary)"}).also({"quoted": quoted})
    found = found.also({"tangled": f"quoted AND NOT (line RLIKE {sql.text(_untangled(width))})"})
    found = found.also({"whole": f"CASE WHEN tangled THEN replace(line, {NUL}, {NO_CHARACTER}) ELSE '' END"})
    joined = f"CASE WHEN tangled THEN array_join({quoted_cells('whole')}, {NUL}) ELSE '' END"
    the_bytes = "CASE WHEN tangled THEN CAST(joined AS binary) ELSE line_bytes END"
    separator = f"CASE WHEN tangled THEN 0Y ELSE {ord(',')}Y END"
    return found.also({"joined": joined}).also({"bytes": the_bytes, "separator": separator})


def _with_commas(found: Chain, places: Sequence[int]) -> Chain:
    for at in places:  # where one is not found the next is looked for from the front again: no harm
        found = found.also({_start(at): _index(found.calls, "bytes", "separator", _start(at - 1)) + 1})
    return found


def quoted_cells(line: str) -> str:
    """SQL: the cells of a line with quotes, those still around them."""
    # a comma in front of the first as well; group 1 is the cell behind it. No lambda: Spark generates no code around one
    return f"regexp_extract_all(concat(',', {line}), {sql.text(CELL)}, 1)"


def too_few(width: int) -> str:
    """SQL: whether a line has not as many as `width` cells."""
    places = [f"({_start(at)} - 1)" for at in range(1, width)]
    return f"{' | '.join(places)} < 0" if places else "false"


def too_many(width: int) -> str:
    """SQL: whether a line of `width` cells has more."""
    return f"{_start(width)} > 0"


def cells(found: Chain, *, width: int, columns: Sequence[tuple[int, Field]], fine: str, as_text: bool) -> Chain:
    """`found` with a column `cell` for each place and field, empty but where the line is `fine` (SQL).

    With `as_text` the cells of all types are looked at as those of texts are, which takes longer.
    After that no cell before the last of these can be had. Never to be cut out of any other line: a piece might reach beyond that.
    """
    calls = found.calls
    opens = {at: _index(calls, "bytes", QUOTE_BYTE, _start(at)) == F.expr(_start(at)) for at, _ in columns}
    found = found.also({_quotes(at): (F.col("quoted") & first).cast("int") for at, first in opens.items()})
    found = found.also(
        {
            cell(at): F.when(
                F.expr(fine), _bare(calls, at, width, as_text=as_text or field.type == "string")
            ).otherwise("")
            for at, field in columns
        }
    )
    last = columns[-1][0]
    return found.without([*(_start(at) for at in range(1, last + 1)), *(_quotes(at) for at, _ in columns)])


def cell(at: int) -> str:
    """The column of the cell at `at`."""
    return f"cell_{at}"


def _untangled(width: int) -> str:
    """A regular expression for lines of `width` cells with neither a comma nor a quote in one that stands in quotes."""
    cell = '(?:"[^",]*+"|[^",]*+)'
    return f"^{cell}(?:,{cell}){{{width - 1}}}\\z"


def _bare(calls: Calls, at: int, width: int, *, as_text: bool) -> Column:
    """The cell without the quotes around it."""
    # a copy of its own: what makes a Java string of a piece of an array takes longer to copy that (0014)
    copied = calls.static_of(JAVA_ARRAYS, "copyOfRange", "binary", "bytes", *_inside(at, width))
    piece = calls.static(UTF8, "fromBytes", calls.kind("string"), copied)
    if not as_text:  # with bytes that are no characters, or a quote inside, it is nothing but a string
        return calls.column(piece)
    text = calls.column(calls.text(piece))  # bytes that are no characters become U+FFFD
    undoubled = F.replace(text, F.lit(QUOTE * 2), F.lit(QUOTE))
    return F.when(F.expr(f"tangled AND {_quotes(at)} = 1"), undoubled).otherwise(text)


def _inside(at: int, width: int) -> tuple[str, str]:
    """SQL for the first byte of a cell without the quotes around it, and for the byte behind it."""
    behind = "octet_length(bytes)" if at + 1 == width else f"{_start(at + 1)} - 1"
    return f"{_start(at)} + {_quotes(at)}", f"{behind} - {_quotes(at)}"


def _start(at: int) -> str:
    """SQL for the place of the first byte of the cell at `at`; 0 if no comma was found in front of it."""
    return f"start_{at}" if at else "0"


def _quotes(at: int) -> str:
    """How many quotes stand in front of the cell, and behind it."""
    return f"quotes_{at}"


def _index(calls: Calls, array: str, byte: str, start: str) -> Column:
    """The place of `byte` in `array`, from `start` on, or -1."""
    return calls.column(calls.static_of(ARRAYS, "indexOf", "int", array, byte, start))
