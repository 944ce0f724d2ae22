"""One CSV out of the parts against moving the same bytes, as ratios. `make bench-handoff` writes HANDOFF.md."""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import boto3

from benchmarks import data
from benchmarks.run import READ_LIKE_THIS, ROOT, provenance
from jobs.handoff.storage import storage_for
from tests.support.serving import running

PAGE = ROOT / "benchmarks" / "HANDOFF.md"
BUCKET = "bench"
HEADER = b"a,b\n"
# bytes a second: what S3 gives one connection, by its performance guidelines (85 to 90 MB/s)
PACE = 90_000_000
Work = Callable[[], object]


def assembling(parts: str, target: str) -> Work:
    """Ours: the files in `parts` into one, its SHA-256 and lines taken of what is there."""
    return lambda: storage_for(target).assemble(HEADER, storage_for(parts).find(parts), target)


def copying(source: Path, target: Path) -> Work:
    """`cp`, and all of it on the disk, as ours is."""
    return lambda: subprocess.run(f"cp '{source}' '{target}' && sync '{target}'", shell=True, check=True)


def putting(source: Path) -> Work:
    """One `PUT`."""

    def put() -> None:
        with source.open("rb") as body:
            boto3.client("s3").put_object(Bucket=BUCKET, Key="put.csv", Body=body)

    return put


def compared(what: str, ours: Work, theirs: Work, cleared: Work, rounds: int) -> str:
    """A line of the table: median seconds of each, in turn, with what was made `cleared` away and nothing left to be written."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for work, took in zip((ours, theirs), seconds):
            cleared()
            os.sync()
            started = time.monotonic()
            work()
            took.append(time.monotonic() - started)
            print(f"{took[-1]:.2f} s", file=sys.stderr, flush=True)
    left, right = map(statistics.median, seconds)
    return f"| {what} | {left:.2f} / {right:.2f} | {left / right:.2f} | ≤ 1.3 |"


def on_s3(parts: Path, whole: Path, rounds: int, work: Path, pace: int) -> str:
    """The line of a store on loopback of which each connection has `pace` bytes a second, 0 for as many as can."""
    kept = f", {pace / 1e6:.0f} MB/s a connection" if pace else ""
    folder = work / f"store-{pace}"
    folder.mkdir()
    with running(folder, pace) as store, mock.patch.dict(os.environ, store.env):
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        for part in sorted(parts.glob("*.csv")):
            client.upload_file(str(part), BUCKET, f"parts/{part.name}")
        ours = assembling(f"s3://{BUCKET}/parts", f"s3://{BUCKET}/made.csv")
        what = f"S3 (moto on loopback{kept}): copied on the server and read back / one `PUT`"
        return compared(what, ours, putting(whole), lambda: client.delete_object(Bucket=BUCKET, Key="made.csv"), rounds)


def measured(rows: int, rounds: int, work: Path) -> list[str]:
    """The comparisons as lines of a Markdown table."""
    parts = data.generate(work, rows)
    whole, made, copied = work / "whole.csv", work / "made.csv", work / "copy.csv"
    with whole.open("wb") as out:
        for part in sorted(parts.glob("*.csv")):
            with part.open("rb") as file:
                shutil.copyfileobj(file, out)

    def cleared() -> None:
        for path in (made, copied):
            path.unlink(missing_ok=True)

    local = "local: one file of the parts / `cp` and `sync`", assembling(str(parts), str(made)), copying(whole, copied)
    return [
        f"\n### {whole.stat().st_size:,} bytes, {rounds} rounds\n",
        "| what | s / s | ratio | aim |",
        "| --- | --- | --- | --- |",
        compared(*local, cleared, rounds),
        *(on_s3(parts, whole, rounds, work, pace) for pace in (0, PACE)),
    ]


def main() -> None:
    """Compare, print, and with --write put the table into HANDOFF.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write benchmarks/HANDOFF.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nightly-handoff-") as folder:
        lines = measured(options.rows, options.rounds, Path(folder))
    text = "\n".join([f"# Hand-off\n\n{provenance('handoff')}.\n\n{READ_LIKE_THIS}", *lines])
    print(text)
    if options.write:
        PAGE.write_text(text + "\n")


if __name__ == "__main__":
    main()
