"""Cells that nearly read as their type: each is valid, with its value, just where Python's own arithmetic says so."""

import json
import random
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from pathlib import Path
from typing import Any, Optional

import pytest
from pyspark.sql import SparkSession

from jobs.contract import table_schema
from jobs.handoff import inputs
from jobs.scoring import read, shapes, validate

DAY = r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
TIME = r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?(?:(Z)|([+-])([0-9]{2}):?([0-9]{2}))?"
NUMBER = r" *[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)? *"
# the exponents of Python's own end at a million
WIDE = Context(prec=60, Emax=MAX_EMAX, Emin=MIN_EMIN)
EPOCH = datetime(1970, 1, 1)


def moment(cell: str) -> Optional[int]:
    """Microseconds since 1970, if it is a day and a time of it."""
    found = re.fullmatch(f"{DAY}[T ]{TIME}", cell)
    if not found:
        return None
    *clock, fraction, _, sign, hours, minutes = found.groups()
    year, month, of_month, hour, minute, second = map(int, clock)
    if int(hours or 0) * 60 + int(minutes or 0) > 18 * 60 or int(minutes or 0) > 59:
        return None
    try:
        # Python knows no year 0: four hundred years have as many days wherever they begin
        at = datetime(year or 400, month, of_month, hour, minute, second, int((fraction or "").ljust(6, "0")))
    except ValueError:
        return None
    zone = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    since = at - EPOCH - timedelta(days=0 if year else 146097) - (-zone if sign == "-" else zone)
    return since // timedelta(microseconds=1)


def day(cell: str) -> Optional[str]:
    """The day as it is written, if it is one."""
    return cell if re.fullmatch(DAY, cell) and moment(f"{cell} 00:00:00") is not None else None


def whole(cell: str) -> Optional[int]:
    """A number of 64 bits."""
    found = int(cell) if re.fullmatch(" *[+-]?[0-9]+ *", cell) else 1 << 63
    return found if -(1 << 63) <= found < 1 << 63 else None


def number(cell: str) -> Optional[float]:
    """A finite number."""
    found = float(cell) if re.fullmatch(NUMBER, cell) else float("inf")
    return found if abs(found) < float("inf") else None


def exact(cell: str) -> Optional[Decimal]:
    """Seven digits in front of the point and three behind it, none of them lost."""
    if not re.fullmatch(NUMBER, cell):
        return None
    written = Decimal(cell.strip(" "))
    found = WIDE.normalize(written)
    fits = found.adjusted() < 7 and int(found.as_tuple().exponent) >= -3
    # Spark reads no zero of 39 digits
    return found if fits and written.adjusted() < 38 else None


Judge = Callable[[str], object]
# a field, SQL of its value, the judge of that, and cells from which others are drawn
KINDS: dict[str, tuple[dict[str, Any], str, Judge, list[str]]] = {
    "date": (
        {"type": "date"},
        "CAST(c AS string)",
        day,
        ["2026-11-22", "2024-02-29", "0001-01-01", "1900-12-31", "2026-1-1T0", "2026-11-1T"],
    ),
    "datetime": (
        {"type": "datetime"},
        "unix_micros(c)",
        moment,
        [
            "2026-11-22T10:31:05",
            "2026-11-22 10:31:05Z",
            "2026-11-22T10:31:05.123456+05:30",
            "2026-11-22T1:31:5.5",
            "2026-11-22T10:1:5.5",
            "12026-1-22T10:31:05",
            "2026-1-1T1:1:1+1:00",
            "2026-1-1T1:1:1-11:00",
        ],
    ),
    "integer": ({"type": "integer"}, "c", whole, ["1", "-20", "300.0", "9223372036854775807", "+7"]),
    "number": ({"type": "number"}, "c", number, ["1.5", "-20", ".25", "3.75e2", "1e308", "+7."]),
    "decimal": (
        {"type": "number", "spark:type": "decimal(10,3)"},
        "c",
        exact,
        ["1.5", "-20", ".250", "3.7512e2", "1234567.891", "+7.", "12.5000", "0e-5"],
    ),
}
SIGNS = "0123456789" * 2 + "-:TZ .+eE\t\x00\x7f\u00a0\u0661d/"


def drawn(cells: list[str], count: int) -> list[str]:
    """So many of `cells`, with a sign or two more, less or another."""
    chance, found = random.Random(count), dict.fromkeys(cells)
    while len(found) < count:
        cell = chance.choice(cells)
        for _ in range(chance.choice((1, 1, 2))):
            at, width = chance.randrange(len(cell) + 1), chance.choice((0, 1))
            cell = cell[:at] + chance.choice(["", *SIGNS]) + cell[at + width :]
        found[cell] = None
    return [cell for cell in found if cell]


@pytest.mark.parametrize("place", [(), read.PLACE], ids=["by-bytes", "placed"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_is_valid_with_its_value_just_where_python_says_so(
    kind: str, place: tuple[str, ...], spark: SparkSession, tmp_path: Path
) -> None:
    field, value, judge, near = KINDS[kind]
    cells = drawn(near, 12_000)
    raw = {"fields": [{"name": "n", "type": "integer"}, {"name": "c", **field}]}
    schema = table_schema.parse(json.dumps(raw), "schema.json")
    (tmp_path / "in.csv").write_text("n,c\n" + "".join(f"{at},{cell}\n" for at, cell in enumerate(cells)))
    found = inputs.find((str(tmp_path / "in.csv"),))
    source = read.source(spark, found.layouts(schema), [], schema, size=found.size)
    rows = read.rows(spark, source, schema, keep=place)
    judged = validate.judged(rows, schema, frozenset(), keep=place).where(f"{shapes.SHAPE} = {shapes.OK}")
    got = {row[0]: row[2] if row[1] else None for row in judged.selectExpr("n", validate.VALID, value).collect()}
    wanted = {at: judge(cell) for at, cell in enumerate(cells)}
    assert {cells[at]: (got[at], wanted[at]) for at in wanted if got[at] != wanted[at]} == {}
    assert 100 < sum(one is not None for one in wanted.values()) < 11_000
