"""The hand-off is all or nothing: what a reader finds, on the first night, the second, and after an accident."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import UsageError
from jobs.handoff import apart, runs, storage
from jobs.handoff.publish import Steps
from jobs.handoff.storage import LocalStorage
from jobs.handoff.tally import Assembled
from jobs.program import Interrupted
from jobs.scoring import session
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


@pytest.mark.parametrize("step", ["score", "manifest", "rename", "latest"])
def test_an_interruption_says_whether_the_run_is_published(
    step: str, plain: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = Steps.done

    def interrupted(steps: Steps, name: str, said: str) -> None:
        done(steps, name, said)
        if name == step:
            raise Interrupted(signal.SIGTERM)

    rows(tmp_path / "in.csv", 3)
    with monkeypatch.context() as patched:
        patched.setattr(session, "looked_after", lambda *_: nullcontext())  # this Spark is for others too
        patched.setattr(Steps, "done", interrupted)
        ended = plain(input=tmp_path / "in.csv")
    assert ended.code == 143, ended.stderr
    published = (tmp_path / "out" / "2026-11-22" / "datapackage.json").exists()
    assert published == (step in ("rename", "latest"))
    where = f"{tmp_path}/out/2026-11-22 is published; run again, which sets latest.json if that does not name it yet"
    assert ended.error == f"error: interrupted; {where if published else 'nothing was published'}"
    assert ended.error == f"error: {ended.summary['error']}"
    again = plain(input=tmp_path / "in.csv")
    assert again.summary["status"] == ("nothing-to-do" if published else "published")
    assert json.loads((tmp_path / "out" / "latest.json").read_text())["run_id"] == "2026-11-22"


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
    assert "latest.json names 2026-11-22.3" in earlier.stderr
    now = everything(first.output)
    assert {name: now[name] for name in before if name != "latest.json"} == {
        name: content for name, content in before.items() if name != "latest.json"
    }


def test_a_dry_run_writes_nothing(plain: Score, tmp_path: Path) -> None:
    rows(tmp_path / "in.csv", 5)
    before = everything(tmp_path)
    ended = plain(input=tmp_path / "in.csv", dry_run=True)
    assert (ended.code, ended.summary["status"]) == (0, "nothing-to-do")
    assert "] schema, policy and model fit; no row was read, nothing is published\n" in ended.stderr
    written = {name for name in everything(tmp_path) if name not in before}
    assert written == {"schema.json", "policy.json"}  # the test's own


def test_what_is_published_is_on_the_disk_before_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "part-0").write_text("a,1\n")
    synced = list[str]()
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.readlink(f"/proc/self/fd/{number}")))
    LocalStorage().assemble(b"id,x\n", LocalStorage().find(str(tmp_path / "part-0")), str(tmp_path / "actions.csv"))
    assert str(tmp_path / "actions.csv") in synced


def test_a_run_folder_that_was_moved_to_another_disk_and_linked_is_still_published(
    plain: Score, tmp_path: Path
) -> None:
    rows(tmp_path / "in.csv", 5)
    first = plain(input=tmp_path / "in.csv")
    first.run.rename(tmp_path / "moved")
    first.run.symlink_to(tmp_path / "moved")
    again = plain(input=tmp_path / "in.csv")
    assert (again.code, again.summary["status"]) == (0, "nothing-to-do")
    earlier = plain(input=tmp_path / "in.csv", run_date="2026-11-21")
    assert json.loads((earlier.output / "latest.json").read_text())["run_id"] == "2026-11-22"


def test_the_runs_of_an_output_are_not_those_of_one_that_its_name_fits_as_a_glob(plain: Score, tmp_path: Path) -> None:
    rows(tmp_path / "in.csv", 5)
    for output in ("out1", "out[1]"):
        ended = plain(input=tmp_path / "in.csv", output=tmp_path / output)
        assert ended.code == 0, ended.stderr
        assert len(ended.actions) == 5


def test_only_what_a_run_may_be_called_counts_as_one(tmp_path: Path) -> None:
    for name in (
        "2026-11-22",
        "2026-11-22.10",
        "2026-11-22.2",
        "2026-11-22.1",
        "2026-11-22.01",
        "2026-11-22.0",
        "2026-11-22b",
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "datapackage.json").touch()
    published = runs.published(LocalStorage(), str(tmp_path))
    assert list(published) == ["2026-11-22", "2026-11-22.2", "2026-11-22.10"]
    assert runs.next_run_id(published, "2026-11-22") == "2026-11-22.11"
    assert runs.next_run_id(published, "2026-11-23") == "2026-11-23"


def test_a_manifest_that_no_run_wrote_ends_in_one_line(plain: Score, tmp_path: Path) -> None:
    rows(tmp_path / "in.csv", 5)
    (tmp_path / "out/2026-11-22").mkdir(parents=True)
    (tmp_path / "out/2026-11-22/datapackage.json").touch()
    ended = plain(input=tmp_path / "in.csv")
    assert ended.code == 5, ended.stderr
    assert "2026-11-22/datapackage.json: is not what a run wrote there" in ended.error


@pytest.mark.parametrize("input", ["out/_staging/x", "out/refused/2026-11-22/rejects.csv", "out/refused/2026-11-22.2"])
def test_an_input_that_the_run_would_clear_away_is_refused(input: str) -> None:
    with pytest.raises(UsageError, match="copy it to another folder"):
        apart.check((input,), "out", "2026-11-22")
    apart.check(("out/refused/2026-11-21/rejects.csv", "out/2026-11-22/rejects.csv"), "out", "2026-11-22")


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
