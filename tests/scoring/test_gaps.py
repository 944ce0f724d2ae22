"""Which rows a model has left out is told by the numbers of the others, and never wrongly."""

import random
from pathlib import Path
from typing import Any, Optional

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.scoring import aside, gaps, splits
from tests.support import models, parquet
from tests.support.runs import Score

ROWS = 600
# what the model of `statement` makes of a cell, or what it does not get to see
REASONS = {"1": "model-dropped", "2": "model-output:prediction", "bad": "type-error:x"}
PREDICTION = "CASE WHEN x = 2 THEN double('NaN') ELSE x END AS prediction"
STATEMENT = f"SELECT *, {PREDICTION} FROM __THIS__ WHERE x != 1"
# by which rows come in another order, to other tasks, or all of a task to one other
MOVED = {
    "sorted": f"{STATEMENT} SORT BY id DESC",
    "moved": f"{STATEMENT} DISTRIBUTE BY id % 7",
    "moved-by-file": f"SELECT /*+ REPARTITION(50, file) */ * FROM ({STATEMENT.replace('*', f'*, id DIV {ROWS} AS file', 1)})",
}


def deliver(folder: Path, spark: Optional[SparkSession] = None) -> tuple[dict[tuple[str, int], str], int]:
    """Files of which the model leaves out some rows, all, none, the first and the last; with `spark` of two layouts, and Parquet.

    Returns the places and reasons of those that are rejected, and how many lines are no published rows.
    """
    draw = random.Random(19)
    folder.mkdir()
    drawn = {
        "all.csv": ["1"] * ROWS,
        "none.csv": ["3"] * ROWS,
        "ends.csv": ["1", *["3"] * (ROWS - 2), "1"],
        "every other.csv": ["1", "3"] * (ROWS // 2),
        "some.csv": draw.choices(["3", "4.5", *REASONS, ""], [60, 30, 3, 1, 1, 1], k=ROWS),
    }
    places, others = dict[tuple[str, int], str](), 0
    for at, (name, cells) in enumerate(drawn.items()):
        order = "{1},{0}" if spark and at % 2 else "{0},{1}"
        rows = [order.format(at * ROWS + n, cell) if cell else "" for n, cell in enumerate(cells)]
        (folder / name).write_text("\n".join([order.format("id", "x"), *rows, ""]))
        places |= {(str(folder / name), n): REASONS[cell] for n, cell in enumerate(cells, start=2) if cell in REASONS}
        others += 1 + cells.count("")
    if spark:
        numbers = [1.0, 3.0, 2.0, 3.0, 3.0, 1.0]
        typed = [{"id": len(drawn) * ROWS + n, "x": x} for n, x in enumerate(numbers)]
        path = parquet.written(spark, folder / "typed.parquet", "required int32 id; required double x;", *typed)
        places |= {(str(path), n): REASONS[f"{x:.0f}"] for n, x in enumerate(numbers, start=1) if x != 3}
    return places, len(places) + others


@pytest.mark.parametrize("what", ["told", "by-file", "mixed", *MOVED, "many", "no-room"])
def test_rows_left_out_are_found_whether_or_not_their_numbers_tell_which(
    what: str, spark: SparkSession, plain: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, rest = list[Optional[int]](), gaps.rest

    def noted(*given: Any) -> Optional[DataFrame]:
        rows = rest(*given)
        found.append(rows.count() if rows else None)
        return rows

    monkeypatch.setattr(gaps, "rest", noted)
    monkeypatch.setattr(splits, "SMALL_BYTES", 0)
    monkeypatch.setattr(splits, "split_bytes", lambda *_: 50_000 if what.endswith("by-file") else 1500)
    if what == "no-room":
        monkeypatch.setattr(aside, "MOST_OF_A_TASK", 200)
    statement = MOVED.get(what, STATEMENT)
    wanted, lines = deliver(tmp_path / "in", spark if what == "mixed" else None)
    if what == "many":  # blank lines and all, but for the headers
        monkeypatch.setattr(gaps, "FEW", lines - 6)
    schema = {
        "fields": [
            {"name": "id", "type": "integer"},
            {"name": "x", "type": "number", "constraints": {"required": True}},
        ],
        "primaryKey": "id",
    }
    ended = plain(
        input=tmp_path / "in", schema=schema, max_rejects="100%", model=models.sql_model(statement, tmp_path / "model")
    )
    assert ended.code == 0, ended.stderr
    assert {(row["_source"], int(row["_record"])): row["_reasons"] for row in ended.rejects} == wanted
    assert len(ended.rejects) == len(wanted)
    assert len(ended.actions) == ended.summary["rows_read"] - len(wanted)
    assert found == [lines if what in ("told", "by-file", "mixed") else None]
    java: Any = spark
    assert java._jsparkSession.sharedState().cacheManager().isEmpty()
