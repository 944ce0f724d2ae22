"""What is asked of S3, and what becomes of its answers: a real server, without Spark."""

import hashlib
import random
import threading
import time
from typing import Any, Optional

import pytest
from botocore.retries.standard import ExponentialBackoff

from jobs.errors import InputRefusedError, UsageError
from jobs.handoff import apart, connection, inputs, multipart, outcome
from jobs.handoff.s3 import S3Storage
from jobs.handoff.storage import FileInfo
from jobs.handoff.tally import Assembled, Tally
from tests.support.objects import failing, keys, noted, uploads
from tests.support.serving import Store

MIB = 1 << 20


@pytest.mark.parametrize(
    "sizes",
    [
        [6 * MIB, MIB, 100, 12 * MIB, 3 * MIB],
        [100, 5 * MIB, 5 * MIB - 1, 0, 11 * MIB],
        [2 * MIB, 2 * MIB, 2 * MIB, 7],
        [10, 20],
        [],
        [16 * MIB],
        [300_000] * 25 + [0, 12 * MIB, 0] + [MIB] * 9,
    ],
    ids=str,
)
def test_parts_of_any_size_are_joined_in_order_and_big_ones_by_the_server(
    store: Any, bucket: str, store_process: Store, began: int, sizes: list[int]
) -> None:
    chance = random.Random(5)
    contents = [chance.randbytes(size) for size in sizes]
    parts = []
    for number, content in enumerate(contents):
        store.put_object(Bucket=bucket, Key=f"parts/part-{number:05d}", Body=content)
        parts.append(FileInfo(f"s3://{bucket}/parts/part-{number:05d}", len(content), ""))
    made = S3Storage().assemble(b"header\n", parts, f"s3://{bucket}/whole.csv")
    whole = b"header\n" + b"".join(contents)
    sent = [entry for entry in noted(store_process, began) if entry["path"] == f"/{bucket}/whole.csv"]
    assert store.get_object(Bucket=bucket, Key="whole.csv")["Body"].read() == whole
    assert made == Assembled(len(whole), whole.count(b"\n"), hashlib.sha256(whole).hexdigest())
    ranges = [entry for entry in sent if entry["method"] == "GET"]
    assert len(ranges) == -(-len(whole) // (8 * MIB))
    through_here = sum(entry["bytes"] for entry in sent if "partNumber" in entry["query"] and not entry["copy_source"])
    small = sum(size for size in sizes if size < 5 * MIB)
    joints = sum(1 for size in sizes if size >= 5 * MIB)
    if joints:
        assert any(entry["copy_source"] for entry in sent)
        # of a big part at most what fills its small neighbours up to a part of their own
        assert through_here <= small + joints * 5 * MIB + len(b"header\n")
    assert uploads(store, bucket) == []


def test_parts_too_small_for_a_copy_are_read_and_sent_side_by_side(
    store: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [FileInfo(f"s3://{bucket}/part-{number}", 4 * MIB, "") for number in range(4)]
    for number, part in enumerate(parts):
        store.put_object(Bucket=bucket, Key=f"part-{number}", Body=b"x" * part.size)
    storage, together = S3Storage(), threading.Barrier(len(parts))
    alone = storage.read

    def read(uri: str, *, limit: Optional[int] = None) -> bytes:
        together.wait(timeout=10)  # two for each part of the upload: all four, or none goes on
        return alone(uri, limit=limit)

    monkeypatch.setattr(storage, "read", read)
    assert storage.assemble(b"h\n", parts, f"s3://{bucket}/whole.csv").size == 16 * MIB + 2


@pytest.fixture
def parts(store: Any, bucket: str) -> list[FileInfo]:
    """Four parts of 6 MiB."""
    found = [FileInfo(f"s3://{bucket}/parts/part-{number}", 6 * MIB, "") for number in range(4)]
    for number, part in enumerate(found):
        content = random.Random(number).randbytes(part.size)
        store.put_object(Bucket=bucket, Key=part.uri.partition(f"{bucket}/")[2], Body=content)
    return found


def test_connections_that_break_while_the_file_is_read_back_are_taken_up_again(
    store: Any, bucket: str, parts: list[FileInfo], store_process: Store, began: int
) -> None:
    with failing(store_process, f"GET /{bucket}/whole", "drop", times=3):
        made = S3Storage().assemble(b"header\n", parts, f"s3://{bucket}/whole.csv")
    assert [entry["fault"] for entry in noted(store_process, began)].count("drop") == 3
    whole = store.get_object(Bucket=bucket, Key="whole.csv")["Body"].read()
    assert whole.endswith(random.Random(3).randbytes(6 * MIB))
    assert made == Assembled(24 * MIB + 7, whole.count(b"\n"), hashlib.sha256(whole).hexdigest())


def test_what_cannot_be_hashed_yet_waits_in_the_store_and_not_in_memory(
    store: Any, bucket: str, store_process: Store, began: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_object(Bucket=bucket, Key="part-0", Body=b"x" * 40 * MIB)
    ranges, write, asked = connection.ranges, Tally.write, [0]

    def small() -> Any:
        config = ranges()
        config.multipart_chunksize = MIB  # 40 ranges, and each is one piece that waits
        return config

    def stuck(self: Tally, chunk: bytes) -> None:
        while asked[-2:-1] != asked[-1:]:  # until no more are asked for
            time.sleep(1)
            gets = [entry for entry in noted(store_process, began) if entry["method"] == "GET"]
            asked.append(sum(entry["path"] == f"/{bucket}/whole.csv" for entry in gets))
        write(self, chunk)

    monkeypatch.setattr(connection, "ranges", small)
    monkeypatch.setattr(Tally, "write", stuck)
    part = FileInfo(f"s3://{bucket}/part-0", 40 * MIB, "")
    assert S3Storage().assemble(b"", [part], f"s3://{bucket}/whole.csv").size == 40 * MIB
    # one is being hashed, 16 wait, and each of six connections holds another, having brought one that is ahead of its turn
    assert 0 < asked[-1] <= 1 + 16 + 2 * 6


def test_a_file_that_is_written_over_while_it_is_read_back_is_refused(
    store: Any, bucket: str, parts: list[FileInfo]
) -> None:
    storage = S3Storage()

    def overwritten(**_: Any) -> None:
        store.put_object(Bucket=bucket, Key="whole.csv", Body=b"theirs" * 4 * MIB)

    # asked for size and version; what follows are the ranges
    storage.client.meta.events.register("after-call.s3.HeadObject", overwritten)
    with pytest.raises(OSError, match=r"whole\.csv: .*ETag"):
        storage.assemble(b"header\n", parts, f"s3://{bucket}/whole.csv")


@pytest.mark.parametrize("size", [9, 6 * MIB])
def test_what_another_run_has_published_is_not_written_over(store: Any, bucket: str, size: int) -> None:
    store.put_object(Bucket=bucket, Key="part-0", Body=b"x" * size)
    store.put_object(Bucket=bucket, Key="whole.csv", Body=b"theirs")
    with pytest.raises(OSError, match=r"another run has written it|PreconditionFailed"):
        S3Storage().assemble(b"h\n", [FileInfo(f"s3://{bucket}/part-0", size, "")], f"s3://{bucket}/whole.csv")
    assert store.get_object(Bucket=bucket, Key="whole.csv")["Body"].read() == b"theirs"
    assert uploads(store, bucket) == []


def test_an_upload_that_breaks_off_is_given_up(store: Any, bucket: str) -> None:
    parts = [FileInfo(f"s3://{bucket}/part-{number}", 6 * MIB, "") for number in range(20)]
    for part in parts:
        store.put_object(Bucket=bucket, Key=part.uri.rpartition("/")[2], Body=b"x" * part.size)
    store.delete_object(Bucket=bucket, Key="part-3")
    with pytest.raises(FileNotFoundError):
        S3Storage().assemble(b"h\n", parts, f"s3://{bucket}/whole.csv")
    assert uploads(store, bucket) == []
    assert "whole.csv" not in keys(store, bucket, "")


def test_no_part_is_under_way_any_more_when_an_upload_is_given_up(
    store: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store may keep, and bill, a part that comes in after the upload was given up."""
    store.put_object(Bucket=bucket, Key="part-1", Body=b"x" * 6 * MIB)
    parts = [FileInfo(f"s3://{bucket}/part-{number}", 6 * MIB, "") for number in range(2)]
    storage, under_way, given_up = S3Storage(), threading.Event(), threading.Event()
    early = list[bool]()
    alone = storage.read

    def slow(**_: Any) -> None:
        under_way.set()
        early.append(given_up.wait(timeout=1))

    def read(uri: str, *, limit: Optional[int] = None) -> bytes:
        assert under_way.wait(timeout=10)
        return alone(uri, limit=limit)

    storage.client.meta.events.register("before-send.s3.UploadPartCopy", slow)
    storage.client.meta.events.register("before-send.s3.AbortMultipartUpload", lambda **_: given_up.set())
    monkeypatch.setattr(storage, "read", read)
    with pytest.raises(FileNotFoundError, match="part-0"):
        storage.assemble(b"h\n", parts, f"s3://{bucket}/whole.csv")
    assert given_up.is_set()
    assert early == [False]


def test_an_upload_that_was_completed_before_its_answer_was_lost_counts(
    store: Any, bucket: str, parts: list[FileInfo], store_process: Store
) -> None:
    """Some stores know nothing of an upload that they have completed; others complete it again."""
    completing = rf"POST /{bucket}/whole\.csv\?uploadId"
    with failing(store_process, completing, 404, times=1), pytest.raises(FileNotFoundError, match=r"whole\.csv"):
        S3Storage().assemble(b"h\n", parts, f"s3://{bucket}/whole.csv")
    with failing(store_process, completing, "lost", 404, times=1):
        made = S3Storage().assemble(b"h\n", parts, f"s3://{bucket}/whole.csv")
    whole = store.get_object(Bucket=bucket, Key="whole.csv")["Body"].read()
    assert len(whole) == 24 * MIB + 2
    assert made == Assembled(len(whole), whole.count(b"\n"), hashlib.sha256(whole).hexdigest())


@pytest.mark.parametrize(("attempts", "asked"), [(None, 8), ("2", 2)])
def test_a_store_that_is_away_is_asked_eight_times_or_as_often_as_the_environment_says(
    store: Any, bucket: str, store_process: Store, began: int, monkeypatch: pytest.MonkeyPatch,
    attempts: Optional[str], asked: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)  # half a minute, for eight
    monkeypatch.delenv("AWS_MAX_ATTEMPTS", raising=False)
    if attempts:
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", attempts)
    with failing(store_process, f"GET /{bucket}/", 503), pytest.raises(ConnectionError):
        S3Storage().read(f"s3://{bucket}/a")
    assert [entry["fault"] for entry in noted(store_process, began)].count(503) == asked


def test_of_an_interrupted_run_it_is_not_said_whether_it_is_published_while_the_store_is_away(
    store: Any, bucket: str, store_process: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, manifest = f"s3://{bucket}/out/2026-11-22", f"s3://{bucket}/out/2026-11-22/datapackage.json"
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    outcome.publishing(folder, manifest)
    try:
        with failing(store_process, f"GET /{bucket}", 503):
            away = outcome.told()
        before = outcome.told()
        store.put_object(Bucket=bucket, Key="out/2026-11-22/datapackage.json", Body=b"{}")
        after = outcome.told()
    finally:
        outcome.publishing(None)
    assert away.startswith(f"whether {folder} is published cannot be seen (")
    assert "SlowDown" in away
    assert before == "nothing was published"
    assert after.startswith(f"{folder} is published; run again")


def test_a_part_is_copied_whole_where_what_is_left_would_be_too_small_for_s3() -> None:
    gib = 1 << 30  # as much as is copied at once; S3 takes no part under 5 MiB but the last
    for size in (gib + 1, gib + 5 * MIB - 1):
        parts = [FileInfo("s3://b/0", size, ""), FileInfo("s3://b/1", 6 * MIB, "")]
        assert multipart._planned(0, parts) == [[("s3://b/0", 0, size)], [("s3://b/1", 0, 6 * MIB)]]
    halves = multipart._planned(0, [FileInfo("s3://b/0", gib + 5 * MIB, "")])
    assert halves == [[("s3://b/0", 0, gib)], [("s3://b/0", gib, gib + 5 * MIB)]]


def test_of_a_folder_all_is_deleted_or_what_is_not_is_told(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    files, sent = [FileInfo(f"s3://b/out/{n}", 1, "") for n in range(2001)], list[list[dict[str, str]]]()

    def delete(*, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:
        sent.append(Delete["Objects"])
        kept = [{"Key": each["Key"], "Code": "AccessDenied"} for each in Delete["Objects"] if each["Key"] == "out/2000"]
        return {"Errors": kept} if kept else {}

    storage = S3Storage()
    monkeypatch.setattr(storage, "_at", lambda *_, **__: files)
    monkeypatch.setattr(storage.client, "delete_objects", delete)
    with pytest.raises(OSError, match=r"s3://b/out/2000: cannot be deleted \(AccessDenied\)"):
        storage.delete("s3://b/out")
    assert [each["Key"] for some in sent for each in some] == [f"out/{n}" for n in range(2001)]
    assert max(map(len, sent)) <= 1000  # S3 takes no more


def test_listing_lock_and_status_mean_the_same_as_on_a_disk(store: Any, bucket: str) -> None:
    for key in ("in/b.csv", "in/a.csv", "in/deep/c.csv", "in2/d.csv", "in/x.txt"):
        store.put_object(Bucket=bucket, Key=key, Body=b"12")
    storage = S3Storage()
    root = f"s3://{bucket}"

    def found(uri: str) -> list[str]:
        return [file.uri.removeprefix(f"{root}/") for file in storage.find(uri)]

    below = ["in/a.csv", "in/b.csv", "in/deep/c.csv", "in/x.txt"]
    assert found(f"{root}/in") == found(f"{root}/in/") == below
    assert found(f"s3a://{bucket}/in/*.csv") == below[:2]
    assert found(f"{root}/in*") == found(f"{root}/in*/") == [*below, "in2/d.csv"]
    assert storage.exists(f"{root}/in")
    assert not storage.exists(f"{root}/i")
    assert storage.create(f"{root}/lock", b"1")
    assert not storage.create(f"{root}/lock", b"2")
    assert storage.read(f"{root}/lock") == b"1"
    assert storage.read(f"{root}/in/a.csv", limit=1) == b"1"
    with pytest.raises(FileNotFoundError):
        storage.read(f"{root}/none")
    storage.delete(f"{root}/in")
    assert keys(store, bucket, "in") == {"in2/d.csv": 2}


def test_an_empty_object_has_no_bytes_however_its_store_says_so(store: Any, bucket: str, store_process: Store) -> None:
    store.put_object(Bucket=bucket, Key="empty", Body=b"")
    uri = f"s3://{bucket}/empty"
    assert S3Storage().read(uri, limit=9) == b""  # the code is in a document
    with failing(store_process, f"GET /{bucket}/empty", 416):
        assert S3Storage().read(uri, limit=9) == b""


# which the store says of writes at the same moment; and without a document
@pytest.mark.parametrize("status", [409, 412])
def test_what_is_created_at_the_same_moment_is_ours_if_it_is_what_we_sent(
    store: Any, bucket: str, store_process: Store, status: int
) -> None:
    store.put_object(Bucket=bucket, Key="lock", Body=b"theirs")
    storage = S3Storage()
    with failing(store_process, f"PUT /{bucket}/", status):
        assert not storage.create(f"s3://{bucket}/lock", b"ours")
        assert not storage.create(f"s3://{bucket}/gone", b"ours"), "the other has removed it by now"
        assert storage.create(f"s3://{bucket}/lock", b"theirs"), "the answer to our first attempt was lost"
    assert keys(store, bucket, "") == {"lock": 6}


def test_a_name_that_is_there_is_no_glob(store: Any, bucket: str) -> None:
    for key in ("in1.csv", "in[1].csv", "out1/b.csv", "out[1]/a.csv"):
        store.put_object(Bucket=bucket, Key=key, Body=b"12")
    for uri, there, otherwise in (("in[1].csv", "", ""), ("out[1]", "/a.csv", "/b.csv"), ("out[1]/", "a.csv", "b.csv")):
        named = f"s3://{bucket}/{uri}"
        assert [file.uri for file in S3Storage().find(named)] == [named + there]
        store.delete_object(Bucket=bucket, Key=uri + there)
        assert [file.uri for file in S3Storage().find(named)] == [named.replace("[1]", "1") + otherwise]
        store.put_object(Bucket=bucket, Key=uri + there, Body=b"12")


@pytest.mark.parametrize("key", ["in//a.csv", "in/b//c/a.csv"])
def test_an_object_that_spark_would_take_for_another_is_refused(key: str, store: Any, bucket: str) -> None:
    for one in ("in/a.csv", key):
        store.put_object(Bucket=bucket, Key=one, Body=b"id,x\n1,2\n")
    with pytest.raises(InputRefusedError, match=f"{key}: Spark would read another object"):
        inputs.find((f"s3://{bucket}/in",))


@pytest.mark.parametrize("output", ["s3://shop/out?", "s3a://shop/*/out", "s3://shop/o[u]t"])
def test_an_output_that_is_no_one_place_is_refused(output: str) -> None:
    with pytest.raises(UsageError, match="must name one folder"):
        apart.check(("in.csv",), output, "2026-11-22")
