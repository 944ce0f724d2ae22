"""Power cuts, full disks, stores that fail: yesterday's run reads whole, latest.json is true, the next run succeeds."""

import hashlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from jobs.handoff import lock, publish
from tests.support.runs import Ended, Score, environment, finished, start
from tests.trust.conftest import POLICY, SCHEMA, Fitted, Night
from tests.trust.refusals import FINE

STEPS = ["score", "rejects", "assemble-actions", "assemble-rejects", "manifest", "rename", "latest"]
YESTERDAY, TODAY = "2026-11-21", "2026-11-22"
DIRTY = FINE + b"bad,x,1,2,\n"


def reads_whole(run: Path) -> bool:
    """Whether each file of a published run has the bytes that its manifest promises."""
    package: dict[str, Any] = json.loads((run / "datapackage.json").read_text())
    for resource in package["resources"]:
        data = (run / resource["path"]).read_bytes()
        if (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}") != (resource["bytes"], resource["hash"]):
            return False
    return True


def is_true(output: Path) -> bool:
    """Whether latest.json names a run that reads whole."""
    return reads_whole(output / json.loads((output / "latest.json").read_text())["run_id"])


def left_behind(output: Path) -> list[str]:
    """What is in the output besides runs, refused runs and latest.json."""
    kinds = (publish.RUN_FOLDER.match, {"refused", "latest.json"}.__contains__)
    return [name for name in os.listdir(output) if not any(kind(name) for kind in kinds)]


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    """A folder with one file that has a bad row."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "in.csv").write_bytes(DIRTY)
    return folder


@pytest.fixture
def output(nights: Night, delivery: Path, tmp_path: Path) -> Path:
    """An output that has yesterday's run."""
    assert nights(delivery, output=tmp_path / "out", run_date=YESTERDAY).code == 0
    return tmp_path / "out"


def holds(output: Path, nights: Night, delivery: Path) -> Ended:
    """Hold the output to the promise after a fault, then run again and hold it to that too."""
    assert reads_whole(output / YESTERDAY)
    assert is_true(output)
    for run in output.iterdir():
        assert not publish.RUN_FOLDER.match(run.name) or reads_whole(run)
    ended = nights(delivery, output=output, run_date=TODAY)
    assert ended.code == 0, ended.stderr
    assert reads_whole(output / TODAY)
    assert json.loads((output / "latest.json").read_text())["run_id"] == TODAY
    assert not left_behind(output)
    return ended


@pytest.mark.parametrize("step", STEPS)
def test_a_power_cut_after_any_step_leaves_whole_runs_only(
    step: str, output: Path, delivery: Path, nights: Night, fitted: Fitted, tmp_path: Path
) -> None:
    options = {"model": fitted.path, "schema": SCHEMA, "policy": POLICY, "max_rejects": "100%"}
    line = Score(tmp_path).arguments({**options, "input": delivery, "output": output, "run_date": TODAY})
    killed = finished(start("score", *line, env=environment(NIGHTLY_ACTIONS_KILL_AFTER=step)), output)
    assert killed.code == -signal.SIGKILL, killed.stderr
    assert (output / TODAY / "datapackage.json").exists() == (step in ("rename", "latest"))
    ended = holds(output, nights, delivery)
    assert ended.summary["status"] == ("nothing-to-do" if step in ("rename", "latest") else "published")


def test_a_second_run_of_an_output_is_turned_away_while_the_first_lives(
    output: Path, delivery: Path, nights: Night
) -> None:
    owner = {"token": "other", "host": "elsewhere", "pid": 1, "alive": time.time()}
    (output / lock.NAME).write_text(json.dumps(owner))
    ended = nights(delivery, output=output, run_date=TODAY)
    assert ended.code == 6, ended.stderr
    assert "elsewhere" in ended.error
    assert (output / lock.NAME).exists()
    (output / lock.NAME).write_text(json.dumps({**owner, "alive": time.time() - lock.STALE_SECONDS - 1}))
    holds(output, nights, delivery)


def test_a_disk_that_is_full_publishes_nothing(
    output: Path, delivery: Path, nights: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        ended = nights(delivery, output=output, run_date=TODAY)
    assert ended.code == 5, ended.stderr
    assert "No space left on device" in ended.error
    holds(output, nights, delivery)


@pytest.mark.parametrize("place", ["file", "below a file"])
def test_an_output_that_cannot_be_a_folder_is_a_failed_hand_off(
    place: str, delivery: Path, nights: Night, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file")
    ended = nights(delivery, output=tmp_path / "taken" / ("" if place == "file" else "below"))
    assert ended.code == 5, ended.stderr
    assert "taken" in ended.error
    assert (tmp_path / "taken").read_text() == "a file"


def test_a_model_whose_data_is_gone_is_refused_in_one_line(
    output: Path, delivery: Path, nights: Night, fitted: Fitted, tmp_path: Path
) -> None:
    for path in fitted.path.rglob("*"):
        target = tmp_path / "model" / path.relative_to(fitted.path)
        if path.is_file() and path.suffix != ".parquet" and not path.name.endswith(".crc"):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    ended = nights(delivery, output=output, run_date=TODAY, model=tmp_path / "model")
    assert ended.code == 4, ended.stderr
    assert "cannot be loaded" in ended.error
    holds(output, nights, delivery)
