"""The same on S3: a real server, the real S3A file system, the magic committer, and joining on the server's side."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from jobs.handoff.publish import Steps
from jobs.handoff.s3 import S3Storage
from jobs.handoff.tally import Assembled
from jobs.scoring import listed
from tests.conftest import XS, XS_POLICY
from tests.support.objects import keys, noted, uploads
from tests.support.runs import Score
from tests.support.serving import Store

MIB = 1 << 20


@pytest.fixture
def uploaded(store: Any, bucket: str, plain_model: Path, tmp_path: Path) -> Score:
    """`score` with model, schema, policy and output on S3."""
    for path in plain_model.rglob("*"):
        if path.is_file() and not path.name.endswith(".crc"):
            store.upload_file(str(path), bucket, f"models/plain/{path.relative_to(plain_model)}")
    store.put_object(Bucket=bucket, Key="schema.json", Body=json.dumps(XS).encode())
    store.put_object(Bucket=bucket, Key="policy.json", Body=json.dumps(XS_POLICY).encode())
    root = f"s3://{bucket}"
    uris = {"model": f"{root}/models/plain/", "schema": f"{root}/schema.json", "policy": f"s3a://{bucket}/policy.json"}
    return Score(tmp_path, {**uris, "output": f"{root}/out"})


def test_a_key_that_is_a_file_and_a_folder_is_refused(store: Any, bucket: str, uploaded: Score) -> None:
    for key in ("in/a", "in/a/b.csv"):
        store.put_object(Bucket=bucket, Key=key, Body=b"id,x\na,1\n")
    ended = uploaded(input=f"s3://{bucket}/in")
    assert ended.code == 3, ended.stderr
    assert f"s3://{bucket}/in/a: is a file, and a folder too, as s3://{bucket}/in/a/b.csv says" in ended.error


def test_an_input_file_that_has_gone_since_it_was_listed_is_named(
    store: Any, bucket: str, uploaded: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b c"):
        store.put_object(Bucket=bucket, Key=f"in/{name}.csv", Body=f"id,x\n{name},1\n".encode())
    texts = listed.texts

    def late(*given: Any) -> Any:
        store.delete_object(Bucket=bucket, Key="in/b c.csv")
        return texts(*given)

    monkeypatch.setattr(listed, "texts", late)
    ended = uploaded(input=f"s3://{bucket}/in")
    assert ended.code == 3, ended.stderr
    assert "an input file has gone since it was listed" in ended.error
    assert f"{bucket}/in/b c.csv" in ended.error


def test_input_files_are_listed_together_whatever_the_number_of_passes(
    store: Any, bucket: str, uploaded: Score, store_process: Store, began: int
) -> None:
    for n in range(40):  # of more than 32 Spark has tasks list each
        store.put_object(Bucket=bucket, Key=f"in/{n:02d} [é].csv", Body=f"id,x\na,{n}\nb{n},{n}\n".encode())
    ended = uploaded(input=f"s3://{bucket}/in", max_rejects=39)  # a is in each: found by another pass
    assert ended.code == 0, ended.stderr
    assert (ended.summary["rows_published"], ended.summary["rows_rejected"]) == (41, 39)
    asked = noted(store_process, began)
    assert not [request for request in asked if "prefix=in/" in unquote(request["query"])]
    of_one = [request["method"] for request in asked if "/in/07 " in request["path"]]
    # the header line, and in each pass its size and its bytes; two passes may go on at once
    passes = (len(of_one) - 2) // 2
    assert sorted(of_one) == sorted(["PUT", "GET", *["HEAD", "GET"] * passes])
    assert passes > 1


def test_a_whole_run_on_s3_gives_the_local_runs_bytes_joined_by_the_server(
    store: Any, bucket: str, uploaded: Score, plain: Score, store_process: Store,
    began: int, tmp_path: Path,
) -> None:  # fmt: skip
    text = "id,x\n" + "".join(f"{n:05d},{n}\n" for n in range(3000)) + "bad,row\n"
    (tmp_path / "in.csv").write_text(text)
    store.put_object(Bucket=bucket, Key="in/a.csv", Body=text.encode())
    policy = {**XS_POLICY, "columns": {**XS_POLICY["columns"], "long": "repeat(id, 900)"}}  # type: ignore[dict-item]
    local = plain(input=tmp_path / "in.csv", policy=policy, max_rejects=1)
    ended = uploaded(input=f"s3a://{bucket}/in/*.csv", policy=policy, max_rejects=1)
    assert ended.code == 0, ended.stderr
    folder = "out/2026-11-22"
    found = keys(store, bucket)
    assert set(found) == {f"{folder}/{name}" for name in ("actions.csv", "rejects.csv", "datapackage.json")} | {
        "out/latest.json"
    }
    content = store.get_object(Bucket=bucket, Key=f"{folder}/actions.csv")["Body"].read()
    assert content == (local.run / "actions.csv").read_bytes()
    assert len(content) > 12 * MIB
    manifest = json.loads(store.get_object(Bucket=bucket, Key=f"{folder}/datapackage.json")["Body"].read())
    assert manifest["resources"][0]["hash"] == "sha256:" + hashlib.sha256(content).hexdigest()
    rejects = store.get_object(Bucket=bucket, Key=f"{folder}/rejects.csv")["Body"].read().decode().splitlines()
    assert rejects[1] == f"bad,row,type-error:x,s3://{bucket}/in/a.csv,3002"
    seen = noted(store_process, began)
    to_final = [entry for entry in seen if entry["path"].endswith(f"{folder}/actions.csv") and entry["method"] == "PUT"]
    assert any(entry["copy_source"] for entry in to_final), "UploadPartCopy was not used"
    # only what fills the header up to a part of the least size passes through the driver
    assert sum(entry["bytes"] for entry in to_final if not entry["copy_source"]) <= 5 * MIB + 1000
    assert any("__magic" in entry["path"] for entry in seen), "the magic committer was not at work"
    success = [
        entry["bytes"] for entry in seen if entry["path"].endswith("/actions/_SUCCESS") and entry["method"] == "PUT"
    ]
    assert success
    assert min(success) > 0, "an empty _SUCCESS is the classic committer's"
    again = uploaded(input=f"s3://{bucket}/in", policy=policy, max_rejects=1)
    assert (again.code, again.summary["status"]) == (0, "nothing-to-do")
    assert uploads(store, bucket) == []


def test_what_a_failed_or_dead_run_left_is_cleared_away_and_other_outputs_are_not_touched(
    store: Any, bucket: str, uploaded: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_object(Bucket=bucket, Key="in/a.csv", Body=b"id,x\na,1\nb,two\n")
    for key in ("out/2026-11-22/actions.csv", "out/refused/2026-11-22/rejects.csv", "out-eu/2026-11-22/actions.csv"):
        store.create_multipart_upload(Bucket=bucket, Key=key)
    store.put_object(Bucket=bucket, Key="out-eu/_staging/x", Body=b"theirs")
    read_back = S3Storage._read_back

    def failing(self: S3Storage, uri: str) -> Assembled:
        if uri.endswith("rejects.csv"):
            raise OSError("the store went away")
        return read_back(self, uri)

    with monkeypatch.context() as patched:
        patched.setattr(S3Storage, "_read_back", failing)
        failed = uploaded(input=f"s3://{bucket}/in/", max_rejects=1)
    assert failed.code == 5
    assert "the store went away; nothing was published" in failed.error
    assert keys(store, bucket, "out/") == {}
    assert uploads(store, bucket) == ["out-eu/2026-11-22/actions.csv"]
    assert keys(store, bucket, "out-eu/") == {"out-eu/_staging/x": 6}


def test_what_others_keep_below_the_output_is_left_alone(store: Any, bucket: str, uploaded: Score) -> None:
    theirs = ["shop/2026-11-22.in/a.csv", "shop/2026-11-20/actions.csv", "shop/2026-11-21/in.csv"]
    for key in theirs:
        store.put_object(Bucket=bucket, Key=key, Body=b"id,x\na,1\n")
    store.create_multipart_upload(Bucket=bucket, Key="shop/2026-11-23/in.csv")
    shop = {"output": f"s3://{bucket}/shop", "input": f"s3://{bucket}/shop/{{run_date}}/"}
    ended = uploaded(**shop, run_date="2026-11-21")
    assert ended.code == 5, ended.stderr
    assert "2026-11-21: is there, but no run made it" in ended.error
    ended = uploaded(**{**shop, "input": f"s3://{bucket}/shop/2026-11-22.in/"})
    assert ended.code == 0, ended.stderr
    assert set(theirs) <= keys(store, bucket, "shop/").keys()
    assert uploads(store, bucket) == ["shop/2026-11-23/in.csv"]


def taken_over_after(
    step: str, theirs: set[str], store: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], bool]:
    """Let another run write `theirs` once this one has done `step`; answers whether they are as it wrote them."""
    done = Steps.done

    def slept(self: Steps, name: str, said: str) -> None:
        done(self, name, said)
        if name == step:
            for key in theirs:
                store.put_object(Bucket=bucket, Key=key, Body=b"theirs")

    monkeypatch.setattr(Steps, "done", slept)
    return lambda: all(store.get_object(Bucket=bucket, Key=key)["Body"].read() == b"theirs" for key in theirs)


def test_a_run_that_lost_its_lock_leaves_the_other_runs_files_alone(
    store: Any, bucket: str, uploaded: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_object(Bucket=bucket, Key="in/a.csv", Body=b"id,x\na,1\n")
    theirs = {"out/_lock.json", "out/_staging/2026-11-22-other/parts/actions/part-0", "out/2026-11-22/actions.csv"}
    for step in ("score", "assemble-rejects"):
        with monkeypatch.context() as patched:
            untouched = taken_over_after(step, theirs, store, bucket, patched)
            ended = uploaded(input=f"s3://{bucket}/in/")
        assert ended.code == 5, ended.stderr
        assert "the lock was taken over while this run slept; nothing was published" in ended.error
        left = keys(store, bucket, "out/")
        assert left.keys() - {"out/2026-11-22/rejects.csv"} == theirs
        assert untouched()
        for key in left:
            store.delete_object(Bucket=bucket, Key=key)


def test_a_refused_run_that_lost_its_lock_leaves_what_the_other_refused(
    store: Any, bucket: str, uploaded: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_object(Bucket=bucket, Key="in/a.csv", Body=b"id,x\na,one\n")
    theirs = {"out/_lock.json", "out/refused/2026-11-22/rejects.csv", "out/refused/2026-11-22/summary.json"}
    untouched = taken_over_after("rejects", theirs, store, bucket, monkeypatch)
    ended = uploaded(input=f"s3://{bucket}/in/")
    assert ended.code == 5, ended.stderr
    assert "the lock was taken over while this run slept" in ended.error
    assert keys(store, bucket, "out/").keys() == theirs
    assert untouched()


def test_a_night_that_is_refused_again_leaves_its_own_rejects(store: Any, bucket: str, uploaded: Score) -> None:
    for cell in (b"one", b"two"):
        store.put_object(Bucket=bucket, Key="in/a.csv", Body=b"id,x\na," + cell + b"\n")
        ended = uploaded(input=f"s3://{bucket}/in/")
        assert ended.code == 3, ended.stderr
        left = store.get_object(Bucket=bucket, Key="out/refused/2026-11-22/rejects.csv")["Body"].read()
        assert left.splitlines()[1].startswith(b"a," + cell + b",type-error:x,")


def test_a_bucket_or_object_that_is_not_there_is_told_in_one_line(store: Any, bucket: str, uploaded: Score) -> None:
    store.put_object(Bucket=bucket, Key="in/a.csv", Body=b"id,x\na,1\n")
    store.put_object(Bucket=bucket, Key="void/", Body=b"")
    here = f"s3://{bucket}/in"
    for code, said, options in (
        (2, "s3://no-such-bucket/in", {"input": "s3://no-such-bucket/in"}),
        (2, "/i: no such input", {"input": f"s3://{bucket}/i"}),
        (3, "/void: no files in it", {"input": f"s3://{bucket}/void"}),
        (2, "s3://no-such-bucket/s.json", {"input": here, "schema": "s3://no-such-bucket/s.json"}),
        (2, "/p.json", {"input": here, "policy": f"s3://{bucket}/p.json"}),
        (2, "/nowhere", {"input": here, "model": f"s3://{bucket}/nowhere"}),
        (2, "s3://no-such-bucket/m", {"input": here, "model": "s3://no-such-bucket/m"}),
        (5, "no-such-bucket", {"input": here, "output": "s3://no-such-bucket/out"}),
        (2, "gs:// is not supported", {"input": "gs://b/in"}),
    ):
        ended = uploaded(**options)
        assert ended.code == code, (said, ended.stderr)
        assert said in ended.error


def test_a_run_that_another_has_published_meanwhile_is_not_published_again(
    store: Any, bucket: str, uploaded: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_object(Bucket=bucket, Key="in/a.csv", Body=b"id,x\na,1\n")
    theirs = {"out/2026-11-22/datapackage.json"}
    untouched = taken_over_after("assemble-rejects", theirs, store, bucket, monkeypatch)
    ended = uploaded(input=f"s3://{bucket}/in/")
    assert ended.code == 5, ended.stderr
    assert f"s3://{bucket}/out/2026-11-22: another run has published there meanwhile; run again" in ended.error
    assert untouched()
    assert "out/latest.json" not in keys(store, bucket)
