"""Who keeps the lock of an output, and from whom it is never taken."""

import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Optional

import pytest

from jobs.errors import HandOffError, RunUnderWayError
from jobs.handoff import lock
from jobs.handoff.lock import OutputLock
from jobs.handoff.storage import LocalStorage
from tests.support.runs import Score


def owner(pid: int) -> dict[str, Any]:
    """What a process of this machine writes into its lock."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    pids = f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return {"token": "theirs", "host": socket.gethostname(), "pid": pid, "pids": pids, "alive": time.time()}


def test_a_dead_runs_lock_is_taken_over_and_a_live_one_is_respected(
    plain: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.csv").write_text("id,x\na,1\n")
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / "out").mkdir()
    path, mine = tmp_path / "out" / "_lock.json", owner(os.getpid())
    # a container of the same name has processes of its own, so that a number tells nothing
    for alive in ({**mine, "host": "elsewhere"}, mine, {**mine, "pid": gone.pid, "pids": "another container's"}):
        path.write_text(json.dumps(alive))
        held = plain(input=tmp_path / "in.csv")
        assert held.code == 6
        assert "is under way" in held.error
        assert list((tmp_path / "out").iterdir()) == [path]
    monkeypatch.setattr(lock, "WATCH_SECONDS", 0.5)
    elsewhere = [{**mine, "host": "elsewhere", "alive": time.time() + hours * 3600} for hours in (-1, 1)]
    for number, dead in enumerate(({**mine, "pid": gone.pid}, *elsewhere, None)):
        path.write_text(json.dumps(dead) if dead else "")  # a lock file that a power cut left empty is nobody's
        ended = plain(input=tmp_path / "in.csv", force=True)
        assert ended.code == 0, ended.stderr
        assert len(list((tmp_path / "out").glob("2026*"))) == number + 1
        assert not path.exists()


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_run_on_a_host_with_another_clock_keeps_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    path = tmp_path / "_lock.json"

    def refreshed(_: float) -> None:
        path.write_text(json.dumps({**owner(1), "host": "elsewhere", "alive": time.time() + hours * 3600}))

    refreshed(0)
    monkeypatch.setattr("jobs.handoff.lock.time.sleep", refreshed)
    with pytest.raises(RunUnderWayError, match="its clock is not ours"), OutputLock(LocalStorage(), str(tmp_path)):
        pass
    assert json.loads(path.read_text())["host"] == "elsewhere"


def test_a_lock_that_could_not_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HandOffError, match="No space left"), OutputLock(LocalStorage(), str(tmp_path)):
        pass
    assert not list(tmp_path.iterdir())


def test_a_lock_that_another_run_has_taken_over_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "REFRESH_SECONDS", 0.5)
    theirs = json.dumps(owner(os.getpid()))
    with OutputLock(LocalStorage(), str(tmp_path)) as held:
        (tmp_path / lock.NAME).write_text(theirs)
        time.sleep(1.2)
        assert not held.is_held()
        assert (tmp_path / lock.NAME).read_text() == theirs
    assert (tmp_path / lock.NAME).read_text() == theirs


def test_a_store_that_is_away_for_a_while_does_not_cost_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "REFRESH_SECONDS", 0.02)
    away = iter([True, True])

    class Away(LocalStorage):
        def write(self, uri: str, data: bytes) -> None:
            if next(away, False):
                raise ConnectionError("the store is away")
            super().write(uri, data)

    with OutputLock(Away(), str(tmp_path)):
        first = json.loads((tmp_path / lock.NAME).read_text())["alive"]
        until = time.monotonic() + 20
        while json.loads((tmp_path / lock.NAME).read_text())["alive"] == first:
            assert time.monotonic() < until, "never refreshed again"
            time.sleep(0.02)


def test_of_two_runs_that_find_a_dead_lock_the_later_leaves_that_of_the_earlier(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    path, theirs = tmp_path / lock.NAME, json.dumps(owner(os.getpid()))
    path.write_text(json.dumps(owner(gone.pid)))

    class Slow(LocalStorage):
        def read(self, uri: str, *, limit: Optional[int] = None) -> bytes:
            found = super().read(uri, limit=limit)
            path.write_text(theirs)
            return found

    with pytest.raises(RunUnderWayError, match="is under way"), OutputLock(Slow(), str(tmp_path)):
        pass
    assert path.read_text() == theirs


def test_a_run_of_another_user_is_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: int, __: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", denied)
    (tmp_path / lock.NAME).write_text(json.dumps(owner(1)))
    with pytest.raises(RunUnderWayError, match="is under way"), OutputLock(LocalStorage(), str(tmp_path)):
        pass
