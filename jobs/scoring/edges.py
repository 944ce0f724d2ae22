"""Nearly every number, date and time is known as one without a regular expression: by what Spark's casts take, and a few of its bytes."""

from functools import reduce
from operator import and_
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.scoring.calls import EXPRESSIONS, Calls


def whole(calls: Calls, cell: str) -> Column:
    """Whether the text `cell` (SQL), which a cast to an integer takes, is digits, with a sign in front at most."""
    there, text = _there(calls, cell)
    # what is behind a point the cast leaves out
    return _if_any(cell, ~text.contains("."), _unpadded(calls, there))


def plain(calls: Calls, cell: str) -> Column:
    """Whether the text `cell` (SQL) is digits, with a sign in front and a point before the last of them at most."""
    there, text = _there(calls, cell)
    # a cast to an integer looks at the digits behind a point too, but would take a point alone
    return _if_any(cell, text.cast("bigint").isNotNull(), ~text.endswith("."), _unpadded(calls, there))


def short(calls: Calls, cell: str, scale: int) -> Column:
    """Whether the text `cell` (SQL) is `plain`, with so many digits behind its point at most."""
    behind = f"octet_length({cell}) - locate('.', {cell}) <= {scale} OR locate('.', {cell}) = 0"
    return F.when(F.expr(behind), plain(calls, cell)).otherwise(False)


def day(calls: Calls, cell: str) -> Column:
    """Whether the text `cell` (SQL), which a cast to a date takes, is YYYY-MM-DD."""
    there, text = _there(calls, cell)
    # a cast wants four digits of a year at least, and then digits between hyphens; but passes over what follows a T
    signs = _signs(calls, there, {4: "-", 7: "-"})
    return _if_any(cell, F.octet_length(text) == 10, *signs, ~text.endswith("T"), _unpadded(calls, there))


def moment(calls: Calls, cell: str) -> Column:
    """Whether the text `cell` (SQL), which a cast to a timestamp takes, is YYYY-MM-DD and hh:mm:ss, and a Z behind that at most."""
    there, text = _there(calls, cell)
    length = F.octet_length(text)
    in_utc = (length == 20) & text.endswith("Z") & F.lit("0123456789").contains(text.substr(19, 1))
    # a point or a zone may take the place of the last digit
    long_enough = (length == 19) & ~text.endswith("Z") & ~text.endswith(".") | in_utc
    # no month, day, hour or minute has more than two digits: between these they must have two; the last might be a zone's
    signs = _signs(calls, there, {4: "-", 13: ":", 16: ":"})
    return _if_any(cell, long_enough, *signs, _unpadded(calls, there))


def _there(calls: Calls, cell: str) -> tuple[Any, Column]:
    """The text `cell` (SQL), to be used where it is not null: which spares code that asks."""
    there = calls.java(f"{EXPRESSIONS}.KnownNotNull")(calls.sql(cell))
    return there, calls.column(there)


def _if_any(cell: str, *conditions: Column) -> Column:
    return F.when(F.expr(f"{cell} IS NOT NULL"), reduce(and_, conditions)).otherwise(False)


def _unpadded(calls: Calls, text: Any) -> Column:
    """Whether the text has no blank or control character at its ends, which casts pass over."""
    trimmed = calls.column(calls.method(text, "trimAll", calls.kind("string")))
    return F.octet_length(trimmed) == F.octet_length(calls.column(text))


def _signs(calls: Calls, text: Any, signs: dict[int, str]) -> list[Column]:
    """Whether each of `signs` is at its byte of the text, from 0."""
    kind = calls.kind("boolean")
    return [
        calls.column(calls.method(text, "matchAt", kind, calls.sql(f"'{sign}'"), calls.sql(str(at))))
        for at, sign in signs.items()
    ]
