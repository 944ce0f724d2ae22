"""Power cuts, full disks, stores that fail: yesterday's run reads whole, latest.json is true, the next run succeeds."""

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.handoff import lock, runs
from tests.support.runs import Ended, Score
from tests.trust import power
from tests.trust.conftest import POLICY, SCHEMA, Fitted, Night
from tests.trust.refusals import FINE

STEPS = ["score", "rejects", "assemble-actions", "assemble-rejects", "manifest", "rename", "latest"]
WHOLE_PROCESSES = ["score", "rename"]
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
    kinds = (runs.RUN_FOLDER.match, {"refused", "latest.json"}.__contains__)
    return [name for name in os.listdir(output) if not any(kind(name) for kind in kinds)]


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    """A folder with one file that has a bad row."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "in.csv").write_bytes(DIRTY)
    return folder


@pytest.fixture(scope="module")
def yesterday(nights: Night, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output that has yesterday's run, for copies to be made of."""
    folder = tmp_path_factory.mktemp("yesterday")
    (folder / "in.csv").write_bytes(DIRTY)
    assert nights(folder / "in.csv", output=folder / "out", run_date=YESTERDAY).code == 0
    return folder / "out"


@pytest.fixture
def output(yesterday: Path, tmp_path: Path) -> Path:
    """An output of its own that has yesterday's run."""
    return Path(shutil.copytree(yesterday, tmp_path / "out"))


def holds(output: Path, nights: Night, delivery: Path) -> Ended:
    """Hold the output to the promise after a fault, then run again and hold it to that too."""
    assert reads_whole(output / YESTERDAY)
    assert is_true(output)
    for run in output.iterdir():
        assert not runs.RUN_FOLDER.match(run.name) or reads_whole(run)
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
    night = Score(tmp_path, {**options, "input": delivery, "output": output, "run_date": TODAY})
    if step in WHOLE_PROCESSES:
        power.kills(step, night.arguments(night.defaults), {})
    else:
        power.plays_dead(step, night)
        gone = subprocess.Popen(["true"])
        gone.wait()
        held = json.loads((output / lock.NAME).read_text())
        (output / lock.NAME).write_text(json.dumps({**held, "pid": gone.pid}))
    assert (output / TODAY / "datapackage.json").exists() == (step in ("rename", "latest"))
    ended = holds(output, nights, delivery)
    assert ended.summary["status"] == ("nothing-to-do" if step in ("rename", "latest") else "published")


def test_a_second_run_of_an_output_is_turned_away_while_the_first_lives(
    output: Path, delivery: Path, nights: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = {"token": "other", "host": "elsewhere", "pid": 1, "alive": time.time()}
    (output / lock.NAME).write_text(json.dumps(owner))
    ended = nights(delivery, output=output, run_date=TODAY)
    assert ended.code == 6, ended.stderr
    assert "elsewhere" in ended.error
    assert (output / lock.NAME).exists()
    (output / lock.NAME).write_text(json.dumps({**owner, "alive": time.time() - lock.STALE_SECONDS - 1}))
    monkeypatch.setattr(lock, "WATCH_SECONDS", 0.1)
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


@pytest.fixture
def disk(yesterday: Path, tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB that has yesterday's run; skipped where mounting one takes rights that the test has not."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not shutil.which("mount"):
        pytest.skip("there is no mount here")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"mounting is not permitted here: {mounted.stderr.strip()}")
    try:
        shutil.copytree(yesterday, folder / "out")
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize(
    "free", [pytest.param(300_000, id="while-spark-writes"), pytest.param(900_000, id="while-joining")]
)
def test_a_disk_that_fills_up_for_real_publishes_nothing(free: int, disk: Path, delivery: Path, nights: Night) -> None:
    space = os.statvfs(disk)
    (disk / "filler").write_bytes(b"x" * (space.f_bavail * space.f_frsize - free))
    # 3 rows, so 600 kB of parts and then 600 kB of actions.csv
    policy = {**POLICY, "columns": {**POLICY["columns"], "long": "repeat('x', 200000)"}}
    ended = nights(delivery, output=disk / "out", run_date=TODAY, policy=policy)
    assert ended.code == 5, ended.stderr
    assert "No space left on device" in ended.error
    (disk / "filler").unlink()
    holds(disk / "out", nights, delivery)


def test_an_output_that_is_read_only_is_a_failed_hand_off(disk: Path, delivery: Path, nights: Night) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    ended = nights(delivery, output=disk / "out", run_date=TODAY)
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert ended.code == 5, ended.stderr
    assert "Read-only file system" in ended.error
    assert str(disk / "out") in ended.error
    holds(disk / "out", nights, delivery)


def test_somebody_elses_folder_named_like_a_date_is_never_deleted(output: Path, delivery: Path, nights: Night) -> None:
    theirs = [output / name for name in ("2026-11-20", TODAY)]
    for folder in theirs:
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")
    ended = nights(delivery, output=output, run_date=TODAY)
    assert ended.code == 5, ended.stderr
    assert f"{output / TODAY}: is there, but no run made it" in ended.error
    assert "move it away or give another --output" in ended.error
    assert [(folder / "notes.txt").read_text() for folder in theirs] == ["mine", "mine"]
    assert reads_whole(output / YESTERDAY)
    shutil.move(theirs[1], output.parent / "moved")
    assert nights(delivery, output=output, run_date=TODAY).code == 0
    assert (theirs[0] / "notes.txt").read_text() == "mine"


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
