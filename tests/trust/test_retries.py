"""Tasks that die half way and stages that run twice: no row is written and none is counted a second time."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession

from jobs.scoring import splits, unique
from tests.conftest import XS, XS_POLICY
from tests.support import models
from tests.support.runs import Ended, Score

ROWS = 4000
STATEMENT = "SELECT *, fragile(x) AS prediction FROM __THIS__"
# long lines: the part of a task that dies near its end is on the disk by then
POLICY = {**XS_POLICY, "columns": {**XS_POLICY["columns"], "long": "repeat(id, 100)"}}  # type: ignore[dict-item]


def key(x: int) -> str:
    """The key of a row: all of them go down, as those that go up prove that none comes twice."""
    return f"{ROWS - 1 - x:05d}"


@pytest.fixture
def looked_closer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Makes a run go on to the exact pass, whose rows meet in an exchange; the path is there once that has begun."""
    begun, first_of_each = tmp_path / "begun", unique.first_of_each

    def noted(*given: Any) -> DataFrame:
        begun.touch()
        return first_of_each(*given)

    monkeypatch.setattr(splits, "SMALL_BYTES", 0)  # below that all keys are gathered, and none of these comes twice
    monkeypatch.setattr(unique, "suspects", lambda *_: {("id",): None})
    monkeypatch.setattr(unique, "repeated", lambda *_: None)  # too many to be known beforehand
    monkeypatch.setattr(unique, "first_of_each", noted)
    return begun


def counted_once(ended: Ended) -> None:
    """Every row of the input is there once, and so say the counts and the manifest."""
    assert ended.code == 0, ended.stderr
    assert sorted(row["id"] for row in ended.actions) == [f"{n:05d}" for n in range(ROWS)]
    assert [row["id"] for row in ended.rejects] == ["bad"]
    counts = {"rows_read": ROWS + 1, "rows_published": ROWS, "rows_without_action": 0, "rows_rejected": 1}
    assert {name: ended.summary[name] for name in counts} == counts
    assert {name: ended.package["counts"][name] for name in counts} == counts
    assert ended.summary["actions"] == {"keep": ROWS}
    assert [resource["rows"] for resource in ended.package["resources"]] == [ROWS, 1]
    assert sorted(path.name for path in ended.output.iterdir()) == [str(ended.summary["run_id"]), "latest.json"]


@pytest.fixture
def fragile(spark: SparkSession, tmp_path: Path) -> Callable[[Callable[[float], float]], Score]:
    """`score` with a model that calls the given function on each x."""

    def made(work: Callable[[float], float]) -> Score:
        spark.udf.register("fragile", work, "double")
        model = models.sql_model(STATEMENT, tmp_path / "model")
        return Score(tmp_path, {"model": model, "schema": XS, "policy": POLICY, "max_rejects": "1"})

    return made


@pytest.mark.parametrize(
    "closer", [pytest.param(True, id="before-an-exchange"), pytest.param(False, id="while-writing")]
)
def test_a_task_that_dies_after_half_its_work_is_done_again_and_counted_once(
    closer: bool, fragile: Callable[..., Score], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    begun = request.getfixturevalue("looked_closer") if closer else tmp_path
    died = tmp_path / "died"

    def dies_once(x: float) -> float:
        task: Any = TaskContext.get()
        if x == ROWS - 10 and task.attemptNumber() == 0:
            died.touch()
            raise RuntimeError("the machine is gone")
        return x

    text = "id,x\nbad,row\n" + "".join(f"{key(x)},{x}\n" for x in range(ROWS))
    (tmp_path / "in.csv").write_text(text)
    ended = fragile(dies_once)(input=tmp_path / "in.csv")
    assert died.exists()
    assert begun.exists()
    counted_once(ended)


def test_a_stage_that_runs_again_because_its_output_was_lost_is_counted_once(
    fragile: Callable[..., Score], looked_closer: Path, spark: SparkSession, tmp_path: Path
) -> None:
    lost = tmp_path / "lost"

    def waits(x: float) -> float:
        for _ in range(3000):
            if x < ROWS // 2 or lost.exists() or not looked_closer.exists():
                break
            time.sleep(0.01)
        return x

    # two orders of columns are two tasks; the second ends when what the first has left is gone
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("id,x\nbad,row\n" + "".join(f"{key(x)},{x}\n" for x in range(ROWS // 2)))
    (tmp_path / "in" / "b.csv").write_text("x,id\n" + "".join(f"{x},{key(x)}\n" for x in range(ROWS // 2, ROWS)))
    context: Any = spark.sparkContext
    block_managers = context._jvm.org.apache.spark.SparkEnv.get().blockManager().diskBlockManager().localDirsString()
    folders = [Path(folder) for folder in block_managers]
    before = {path for folder in folders for path in folder.rglob("shuffle_*")}

    def lose() -> None:
        while not lost.exists():
            made = {path for folder in folders for path in folder.rglob("shuffle_*.index")} - before
            for index in made:
                index.unlink()
                lost.touch()
            time.sleep(0.01)

    score = fragile(waits)
    losing = threading.Thread(target=lose, daemon=True)
    losing.start()
    ended = score(input=tmp_path / "in")
    assert lost.exists()
    assert looked_closer.exists()
    lost.touch()
    losing.join()
    counted_once(ended)
    assert "run again" not in ended.stderr
