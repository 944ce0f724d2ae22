"""Lines that are no valid rows are set aside as they stand, with their number, and no others; and never only some of them."""

import json
import random
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.contract import table_schema
from jobs.handoff import inputs
from jobs.scoring import aside, read, session, shapes, validate
from jobs.scoring.counters import Counters
from tests.conftest import XS

BAD, ROWS = 300, 30_000


@pytest.mark.parametrize("characters_a_part", [aside.TO_A_TASK, 1000])
def test_all_rejected_lines_are_set_aside_in_order_with_their_number(
    characters_a_part: int, spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "TO_A_TASK", characters_a_part)
    draw = random.Random(6)
    cells = ["x", "", "1,2", "0x1p3", "NaN", '"', "é\U0001f600", "1\r2"]
    lines = [f"k{n},{draw.choice(cells)}{n % 7}x" for n in range(BAD)]
    bad = {*lines, "", "id,x"}
    lines += [f"k{n},{draw.gauss(0, 1e6)!r}" for n in range(BAD, ROWS)]
    draw.shuffle(lines)
    (tmp_path / "in.csv").write_text("id,x\n" + "\r\n".join(lines) + "\n\n", newline="")
    source, seen = counted(spark, tmp_path, aside.MOST_OF_A_TASK)
    kept = aside.lines(spark, list(seen.beside().values()), aside.MOST_OF_A_TASK)
    assert kept is not None
    # one task reads this file; the blank line and the header are no valid rows either
    expected = [(number, line) for number, line in enumerate(["id,x", *lines, ""]) if line in bad]
    assert [(row[read.ROW_ID], row["line"]) for row in kept.collect()] == expected
    assert source.csv_files == 1
    assert seen.rows() == {0: ROWS + 2}


def test_more_than_there_is_room_for_is_not_taken_for_all(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,x\n" + "a,bad\n" * 100)
    _, seen = counted(spark, tmp_path, 200)
    (text,) = seen.beside().values()
    assert 200 <= text.length() < 220
    assert aside.lines(spark, [text], 200) is None


def test_a_line_of_any_length_takes_no_more_room_than_there_is(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,x\na," + "y" * 100_000 + "\n")
    _, seen = counted(spark, tmp_path, 200)
    (text,) = seen.beside().values()
    assert text.length() < 2 * 200
    assert aside.lines(spark, [text], 200) is None


def counted(spark: SparkSession, folder: Path, most: int) -> tuple[read.Source, Counters]:
    """What lies in the folder, and what has counted it."""
    schema = table_schema.parse(json.dumps(XS), "schema")
    found = inputs.find((str(folder),))
    # as a program does; else in tasks of the size that was right for what was read before
    session.start(app_name="tests", schemes={"file"}, size=found.size)
    source = read.source(spark, found.layouts(schema), [], schema, size=found.size)
    rows = read.rows(spark, source, schema, keep=(shapes.LINE,))
    records = aside.watched(validate.judged(rows, schema, frozenset(), keep=(shapes.LINE,)))
    empty = aside.empty(spark)
    seen = Counters(spark, {}, "row", beside=empty, more=[aside.noted(spark, empty, most)])
    seen.counting(records).write.format("noop").mode("overwrite").save()
    return source, seen
