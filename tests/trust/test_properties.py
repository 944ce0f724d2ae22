"""Random tables, random dirt, random files: the counts add up, key by key, and every number is the oracle's."""

import csv
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.runs import Ended
from tests.trust.conftest import SCHEMA, Fitted, Night
from tests.trust.corpus import HEADER

SETTINGS = settings(
    max_examples=8,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NUMBERS = st.floats(-1e6, 1e6).map(repr)
CELLS = st.one_of(
    NUMBERS, NUMBERS, NUMBERS, st.sampled_from(["", "n/a", "NaN", "1d", "1e999", " 5 ", "-0.0", "\u0661", "5\t"])
)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffd"), max_size=8)
NOTES = st.one_of(TEXTS, st.sampled_from(['a "b"', "x,y", "a\nb", "a\r\nb", "=1+1", "\\", "'"]))
ROWS = st.lists(st.tuples(CELLS, CELLS, CELLS, NOTES), min_size=1, max_size=30)


def number(cell: str) -> "float | None":
    """The cell's value, or None where the schema has none for it."""
    plain = cell.strip(" ")
    if not plain.isascii() or not plain or set(plain) - set("0123456789.+-eE"):
        return None
    value = float(plain)
    return value if abs(value) < float("inf") else None


def write(rows: Sequence["tuple[str, ...]"], folder: Path, files: int) -> None:
    """The rows in turn into so many CSV files, each with the header."""
    for at in range(files):
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows([HEADER.split(","), *rows[at::files]])
        (folder / f"{at:03}.csv").write_text(text.getvalue(), encoding="utf-8", newline="")


def lines(ended: Ended) -> "set[tuple[str, ...]]":
    """The published rows."""
    return {tuple(row.values()) for row in ended.actions}


@SETTINGS
@given(rows=ROWS, files=st.integers(1, 4))
def test_every_row_is_published_with_the_oracles_number_or_rejected(
    rows: "list[tuple[str, ...]]", files: int, nights: Night, fitted: Fitted
) -> None:
    keyed = [(f"k{at}", *row) for at, row in enumerate(rows)]
    wanted = {}
    for key, *cells, note in keyed:
        values = [number(cell) for cell in cells]
        if None not in values:
            wanted[key] = (fitted.line.at([value for value in values if value is not None]), note)
    with tempfile.TemporaryDirectory() as folder:
        write(keyed, Path(folder), files)
        ended = nights(folder, min_rows=0)
    assert ended.code == 0, ended.stderr
    assert {row["ID"]: (float(row["prediction"]), row["note"]) for row in ended.actions} == wanted
    assert {row["ID"] for row in ended.rejects} == {key for key, *_ in keyed} - set(wanted)
    assert len(ended.actions) + len(ended.rejects) == ended.summary["rows_read"] == len(rows)


def test_the_same_rows_in_1_7_and_100_files_give_the_same_lines(nights: Night, tmp_path: Path) -> None:
    rows = [
        (f"k{n}", str(n / 7), "x" if n % 50 == 0 else str(n % 13), f"{n}e-1", f'say "{n}",\n{n}') for n in range(300)
    ]
    found = []
    for files in (1, 7, 100):
        (tmp_path / str(files)).mkdir()
        write(rows, tmp_path / str(files), files)
        found.append(nights(tmp_path / str(files)))
    assert [run.code for run in found] == [0, 0, 0], found[0].stderr
    assert lines(found[0]) == lines(found[1]) == lines(found[2])
    assert len(lines(found[0])) == 294
    assert [{row["ID"] for row in run.rejects} for run in found] == [{f"k{n}" for n in range(0, 300, 50)}] * 3


@pytest.mark.parametrize(
    ("options", "limits", "code"),
    [
        ({"max_rejects": "1"}, {}, 3),
        ({"max_rejects": "2"}, {}, 0),
        ({"max_rejects": "19%"}, {}, 3),
        ({"max_rejects": "20%"}, {}, 0),
        ({"min_rows": 11}, {}, 3),
        ({}, {"type-error": "0"}, 3),
        ({}, {"type-error:crim": "1", "constraint-error": "10%"}, 0),
        ({}, {"constraint-error:zn": "9.9%"}, 3),
    ],
)
def test_a_gate_refuses_the_run_and_leaves_its_rejects_to_see(
    options: "dict[str, object]", limits: "dict[str, str]", code: int, nights: Night, tmp_path: Path
) -> None:
    write(
        [*((f"k{n}", "1", "2", "3", "") for n in range(8)), ("b1", "x", "2", "3", ""), ("b2", "1", "", "3", "")],
        tmp_path,
        1,
    )
    ended = nights(tmp_path / "000.csv", schema={**SCHEMA, "nightly:maxRejects": limits}, **options)
    assert ended.code == code, ended.stderr
    assert [row["ID"] for row in ended.rejects] == ["b1", "b2"]
    assert (ended.output / "latest.json").exists() == (code == 0)
    if code:
        assert (ended.run / "summary.json").exists()
        assert not list(ended.output.rglob("actions.csv"))
