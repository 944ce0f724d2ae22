"""The hand-off is all or nothing: what a reader finds, on the first night, the second, and after an accident."""

import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jobs.handoff import storage
from jobs.handoff.storage import LocalStorage
from jobs.handoff.tally import Assembled
from tests.support.runs import Score, environment


def rows(path: Path, count: int, first: int = 0) -> Path:
    """A file of `count` rows of id and x."""
    path.write_text("id,x\n" + "".join(f"{n:03d},{n}\n" for n in range(first, first + count)))
    return path


def everything(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below `folder`: what is in it and when it was written."""
    return {
        str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()
    }


def test_the_hash_is_of_what_was_written_not_of_what_was_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(io.BufferedWriter):
        def write(self, data: Any, /) -> int:
            return super().write(bytes(data).replace(b"b", b"c"))

    def opened(path: str, mode: str, **more: Any) -> Any:
        return Forgetful(io.FileIO(path, "w")) if mode == "wb" else open(path, mode, **more)

    (tmp_path / "part").write_bytes(b"a,b\n")
    parts = LocalStorage().find(str(tmp_path / "part"))
    monkeypatch.setattr(storage, "open", opened, raising=False)
    made = LocalStorage().assemble(b"x\n", parts, str(tmp_path / "made"))
    assert (tmp_path / "made").read_bytes() == b"x\na,c\n"
    assert made == Assembled(6, 2, hashlib.sha256(b"x\na,c\n").hexdigest())


def test_the_manifest_describes_both_files_and_frictionless_finds_them_valid(plain: Score, tmp_path: Path) -> None:
    rows(tmp_path / "in.csv", 40)
    with (tmp_path / "in.csv").open("a") as file:
        file.write('"40, ""q""",40\n041,oops\n001,7\n042\n')
    ended = plain(input=tmp_path / "in.csv", max_rejects=3)
    assert ended.code == 0, ended.stderr
    package = ended.package
    assert [entry["name"] for entry in package["resources"]] == ["actions", "rejects"]
    for entry, count in zip(package["resources"], (41, 3), strict=True):
        content = (ended.run / entry["path"]).read_bytes()
        assert entry["bytes"] == len(content)
        assert entry["hash"] == "sha256:" + hashlib.sha256(content).hexdigest()
        assert entry["rows"] == count
    assert package["resources"][0]["schema"]["primaryKey"] == ["id"]
    counts = package["counts"]
    assert (
        counts["rows_read"] == counts["rows_published"] + counts["rows_without_action"] + counts["rows_rejected"] == 44
    )
    assert counts["rejected_by_reason"] == {"missing-cell:x": 1, "type-error:x": 1, "unique-error:id": 1}
    assert set(package["fingerprints"]) == {"inputs", "model", "schema", "policy"}
    tool = [str(Path(sys.executable).parent / "frictionless"), "validate", "datapackage.json", "--json"]
    told = subprocess.run(tool, cwd=ended.run, capture_output=True, text=True, check=False, env=environment())
    report = json.loads(told.stdout)
    assert report["valid"], told.stdout
    assert {task["name"]: task["stats"]["rows"] for task in report["tasks"]} == {"actions": 41, "rejects": 3}
    assert json.loads((ended.output / "latest.json").read_text()) == {
        "run_id": "2026-11-22",
        "path": "2026-11-22/datapackage.json",
        "actions": "2026-11-22/actions.csv",
    }


def test_a_second_run_of_a_date_does_nothing_or_gets_the_next_number(plain: Score, tmp_path: Path) -> None:
    rows(tmp_path / "in.csv", 5)
    first = plain(input=tmp_path / "in.csv")
    before = everything(first.output)
    again = plain(input=tmp_path / "in.csv")
    assert (again.code, again.summary["status"]) == (0, "nothing-to-do")
    assert again.summary["path"] == first.summary["path"]
    assert everything(first.output) == before
    assert plain(input=tmp_path / "in.csv", force=True).summary["run_id"] == "2026-11-22.2"
    rows(tmp_path / "in.csv", 6)
    changed = plain(input=tmp_path / "in.csv")
    assert changed.summary["run_id"] == "2026-11-22.3"
    assert len(changed.actions) == 6
    earlier = plain(input=tmp_path / "in.csv", run_date="2026-11-21")
    assert earlier.summary["run_id"] == "2026-11-21"
    assert json.loads((first.output / "latest.json").read_text())["run_id"] == "2026-11-22.3"
    now = everything(first.output)
    assert {name: now[name] for name in before if name != "latest.json"} == {
        name: content for name, content in before.items() if name != "latest.json"
    }


def test_a_dry_run_writes_nothing(plain: Score, tmp_path: Path) -> None:
    rows(tmp_path / "in.csv", 5)
    before = everything(tmp_path)
    ended = plain(input=tmp_path / "in.csv", dry_run=True)
    assert (ended.code, ended.summary["status"]) == (0, "nothing-to-do")
    written = {name for name in everything(tmp_path) if name not in before}
    assert written == {"schema.json", "policy.json"}  # the test's own


def test_a_dead_runs_lock_is_taken_over_and_a_live_one_is_respected(plain: Score, tmp_path: Path) -> None:
    rows(tmp_path / "in.csv", 5)
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / "out").mkdir()
    lock = tmp_path / "out" / "_lock.json"
    mine = {"token": "t", "host": socket.gethostname(), "pid": os.getpid(), "alive": time.time()}
    lock.write_text(json.dumps({**mine, "host": "elsewhere"}))
    assert plain(input=tmp_path / "in.csv").code == 6
    lock.write_text(json.dumps(mine))
    held = plain(input=tmp_path / "in.csv")
    assert held.code == 6
    assert "is under way" in held.error
    assert list((tmp_path / "out").iterdir()) == [lock]
    for number, dead in enumerate(
        ({**mine, "pid": gone.pid}, {**mine, "host": "elsewhere", "alive": time.time() - 3600}, None)
    ):
        lock.write_text(json.dumps(dead) if dead else "")  # a lock file that a power cut left empty is nobody's
        ended = plain(input=tmp_path / "in.csv", force=True)
        assert ended.code == 0, ended.stderr
        assert len(list((tmp_path / "out").glob("2026*"))) == number + 1
        assert not lock.exists()


def test_counts_that_do_not_add_up_publish_nothing(
    plain: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.scoring import validate

    whole = validate.reasoned
    monkeypatch.setattr(validate, "reasoned", lambda *given: whole(*given).where("id != 'lost'"))
    (tmp_path / "in.csv").write_text("id,x\na,1\nlost,oops\nb,oops\n")
    ended = plain(input=tmp_path / "in.csv", max_rejects=5)
    assert ended.code == 5
    assert "the counts do not add up" in ended.error
    assert not list(ended.output.iterdir())


def test_parts_that_were_damaged_on_the_way_publish_nothing(
    plain: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = LocalStorage.assemble

    def cut(self: LocalStorage, header: bytes, parts: list[object], target: str) -> object:
        return whole(self, header, parts[:-1], target)  # type: ignore[arg-type]

    monkeypatch.setattr(LocalStorage, "assemble", cut)
    rows(tmp_path / "in.csv", 9)
    ended = plain(input=tmp_path / "in.csv")
    assert ended.code == 5
    assert "were counted on the way; nothing was published" in ended.error
    assert not list(ended.output.iterdir())


def test_an_input_that_changes_under_the_run_is_refused(
    plain: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.handoff.publish import Steps

    rows(tmp_path / "in.csv", 5)
    done = Steps.done

    def still_delivering(self: Steps, name: str, said: str) -> None:
        done(self, name, said)
        if name == "score":
            rows(tmp_path / "in.csv", 6)

    monkeypatch.setattr(Steps, "done", still_delivering)
    ended = plain(input=tmp_path / "in.csv")
    assert ended.code == 3
    assert "the input changed while it was read" in ended.error
    assert not list(ended.output.iterdir())
