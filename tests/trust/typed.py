"""The corpus of typed cells: for each type what reads as it and what does not; Python's own types are the judge."""

import struct
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from tests.trust.corpus import FEATURES, Case, case

FIELDS: list[dict[str, Any]] = [
    {"name": "n", "type": "integer"},
    {"name": "small", "type": "integer", "spark:type": "smallint"},
    {"name": "single", "type": "number", "spark:type": "float"},
    {"name": "price", "type": "number", "spark:type": "decimal(10,2)"},
    {"name": "wide", "type": "number", "spark:type": "decimal(38,10)"},
    {"name": "day", "type": "date", "constraints": {"minimum": "0001-01-01"}},
    {"name": "at", "type": "datetime"},
    {"name": "flag", "type": "boolean"},
    {"name": "share", "type": "number", "constraints": {"minimum": 0, "maximum": 1}},
    {"name": "year", "type": "integer", "constraints": {"minimum": 1900, "maximum": 2100}},
    {"name": "grade", "type": "string", "constraints": {"enum": ["A", "B", "it's", "\\", "ü"]}},
    {"name": "pick", "type": "integer", "constraints": {"enum": [1, 2, 30]}},
    {"name": "code", "type": "string", "constraints": {"pattern": r"[A-Z]{2}\d+|x"}},
    {"name": "word", "type": "string", "constraints": {"minLength": 2, "maxLength": 4}},
    {"name": "since", "type": "date", "constraints": {"minimum": "2020-02-29", "maximum": "2026-11-22"}},
]
NAMES = [str(field["name"]) for field in FIELDS]
HEADER = ",".join(("ID", *FEATURES, *NAMES))
SCHEMA = {
    "fields": [
        {"name": "ID", "type": "string"},
        *({"name": name, "type": "number"} for name in FEATURES),
        *FIELDS,
    ],
    "primaryKey": "ID",
    "missingValues": ["", "-999"],
}
POLICY = {
    "actions": [],
    "otherwise": "keep",
    "columns": {name: name for name in ("ID", "prediction", *NAMES)},
}


def instant(cell: str) -> datetime:
    """A point in time; one without a zone is in UTC."""
    found = datetime.fromisoformat(cell)
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def single(cell: str) -> float:
    """The nearest number of 32 bits."""
    found: float = struct.unpack("f", struct.pack("f", float(cell)))[0]
    return found


# how a cell reads, be it of the input or of actions.csv
READ: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(("n", "small", "year", "pick"), lambda cell: int(cell.strip(" "))),
    "single": single,
    **dict.fromkeys(("price", "wide"), Decimal),
    "day": lambda cell: datetime.strptime(cell, "%Y-%m-%d").date(),
    "since": lambda cell: datetime.strptime(cell, "%Y-%m-%d").date(),
    "at": instant,
    "flag": lambda cell: {"true": True, "1": True, "false": False, "0": False}[cell.lower()],
    "share": float,
    **dict.fromkeys(("grade", "code", "word"), str),
}
# column: cells that are fine, cells of another type, cells that break the constraint
CELLS: dict[str, tuple[list[str], list[str], list[str]]] = {
    "n": (
        ["0", "-0", "+7", "007", " 5 ", "9223372036854775807", "-9223372036854775808"],
        [
            "1.0",
            "1e3",
            "9223372036854775808",
            "0x1",
            "1L",
            "5\u00a0",
            "1,000",
            "--1",
            " ",
            "\u0661",
            "true",
            "1\n",
            "9" * 400,
        ],
        [],
    ),
    "small": (["32767", "-32768"], ["32768", "-32769", "1.5"], []),
    "single": (["0.1", "16777217", "3.4028234e38", "1e-45", "-0.0"], ["3.5e38", "1e39", "NaN", "1f"], []),
    "price": (
        ["1", "1.5", "-1.50", "0", "0.00", "99999999.99", "1e3", "+2.25", "150.00E-02", ".5e0 ", "0e-10"],
        [
            *("100000000", "1.005", "99999999.995", "0.001", "NaN", "1,5", "€1", "1e400", "0.000000000000000001"),
            *("1.00000000000000001e0", "15e-3", "1e-10", "1e8", ".0000000000000000000000000000000000000000001e40"),
        ],
        [],
    ),
    "wide": (
        ["1e27", "99999999999999999999999999991234567890e-10", "1234567890123456789012345678.0000000001", "1e-10"],
        ["1e28", "99999999999999999999999999991234567891e-11", "1e-11"],
        [],
    ),
    "day": (
        ["2024-02-29", "1582-10-10", "1900-01-01", "9999-12-31", "0001-01-01"],
        [
            "2023-02-29",
            "2024-02-30",
            "2024-13-01",
            "2024-00-01",
            "2024-2-9",
            "24-02-09",
            "20240209",
            "2024/02/09",
            "2024-02-09T00:00:00",
            "2024-02-09 ",
            " 2024-02-09",
            "09.02.2024",
            "today",
            "12024-01-01",
            "2024-01-01\n",
        ],
        ["0000-12-31"],
    ),
    "at": (
        [
            "2024-02-29T23:59:59",
            "2024-02-29 23:59:59",
            "2024-02-29T23:59:59Z",
            "2024-02-29T23:59:59.123456",
            "2024-02-29T23:59:59.5+02:00",
            "2024-12-31T23:30:00-05:30",
            "1969-12-31T23:59:59",
            "1600-01-01T00:00:00",
        ],
        [
            "2024-02-30T00:00:00",
            "2024-01-01T24:00:00",
            "2024-01-01T00:60:00",
            "2024-01-01T00:00:60",
            "2024-01-01",
            "2024-01-01T00:00",
            "2024-01-01T00:00:00.1234567",
            "2024-01-01T00:00:00 CET",
            "1704067200",
            "now",
            "2024-01-01T00:00:00+25:00",
            "2024-01-01T00:00:00\n",
        ],
        [],
    ),
    "flag": (
        ["true", "True", "TRUE", "1", "false", "False", "FALSE", "0"],
        ["yes", "t", "tRUE", " true", "2", "on"],
        [],
    ),
    "share": (
        ["0", "1", "0.5", "-0.0", "1.0", "4.9e-324"],
        ["50%"],
        ["1.0000000000000002", "-4.9e-324", "2", "-1e300"],
    ),
    "year": (["1900", "2100"], ["1999.0"], ["1899", "2101", "-2000", "9223372036854775807"]),
    "grade": (["A", "B", "it's", "\\", "ü"], [], ["a", "C", "AB", " A", "A ", "NULL", "A\n"]),
    "pick": (["1", "2", "30", "01"], ["1.0"], ["3", "0", "-1"]),
    "code": (["AB1", "AB123", "x"], [], ["AB", "xAB1", "AB1x", "ab1", " AB1", "AB1 ", "xx", "AB1\n", "x\nx"]),
    "word": (["ab", "abcd", "é東", "🏠🏠🏠🏠", "  "], [], ["a", "abcde", "🏠", "ab\n\n\n"]),
    "since": (["2020-02-29", "2026-11-22"], ["2021-02-29"], ["2020-02-28", "2026-11-23"]),
}  # fmt: skip


def cases() -> list[Case]:
    """A case for each column and kind of cell, and two for the cells that stand for a missing value."""
    made = []
    for column, (fine, wrong, outside) in CELLS.items():
        made.append(case(f"{column}-fine", *(_row(column, cell) for cell in fine), header=HEADER))
        for kind, cells in (("type-error", wrong), ("constraint-error", outside)):
            made += _bad(column, kind, cells)
    rest = "," * (len(NAMES) - 1)
    gone = {2: "constraint-error:crim"}
    return [
        *made,
        case(
            "missing-value-in-every-column",
            "{id},1,2,3," + rest,
            "{id},1,2,3," + ",".join(["-999"] * len(NAMES)),
            header=HEADER,
        ),
        case(
            "missing-value-in-a-feature", "{id},-999,2,3," + rest, "{id},1,2,-998," + rest, rejects=gone, header=HEADER
        ),
    ]


def _bad(column: str, kind: str, cells: list[str]) -> list[Case]:
    """One case of all `cells`; a cell over several lines is a case of its own, so that lines can be counted."""
    short = [cell for cell in cells if "\n" not in cell]
    made = []
    if short:
        rejects = dict.fromkeys(range(2, len(short) + 2), f"{kind}:{column}")
        made.append(case(f"{column}-{kind}", *(_row(column, c) for c in short), rejects=rejects, header=HEADER))
    for number, cell in enumerate(set(cells) - set(short)):
        inside = tuple(range(3, 3 + cell.count("\n")))
        row, rejects = _row(column, cell), {2: f"{kind}:{column}"}
        made.append(case(f"{column}-{kind}-lines-{number}", row, rejects=rejects, inside=inside, header=HEADER))
    return made


def _row(column: str, cell: str) -> str:
    quoted = '"' + cell.replace('"', '""') + '"' if any(char in cell for char in ',"\r\n') else cell
    return "{id},0.5,18,2.25," + ",".join(quoted if name == column else "" for name in NAMES)
