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
from benchmarks.run import ROOT, provenance
from jobs.handoff.storage import storage_for
from tests.support.serving import running

PAGE = ROOT / "benchmarks" / "HANDOFF.md"
BUCKET = "bench"
HEADER = b"a,b\n"
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


def medians(ours: Work, theirs: Work, rounds: int, made: list[Path]) -> tuple[float, float]:
    """Seconds of each, in turn, with none of the files `made` there and nothing left to be written."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for work, took in zip((ours, theirs), seconds):
            for path in made:
                path.unlink(missing_ok=True)
            os.sync()
            started = time.monotonic()
            work()
            took.append(time.monotonic() - started)
            print(f"{took[-1]:.2f} s", file=sys.stderr, flush=True)
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def measured(rows: int, rounds: int, work: Path) -> list[str]:
    """The two comparisons as lines of a Markdown table."""
    parts = data.generate(work, rows)
    whole, made, copied = work / "whole.csv", work / "made.csv", work / "copy.csv"
    with whole.open("wb") as out:
        for part in sorted(parts.glob("*.csv")):
            with part.open("rb") as file:
                shutil.copyfileobj(file, out)
    pairs = [
        (
            "local: one file of the parts / `cp` and `sync`",
            assembling(str(parts), str(made)),
            copying(whole, copied),
        )
    ]
    with running(work) as store, mock.patch.dict(os.environ, store.env):
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        for part in sorted(parts.glob("*.csv")):
            client.upload_file(str(part), BUCKET, f"parts/{part.name}")
        s3 = assembling(f"s3://{BUCKET}/parts", f"s3://{BUCKET}/made.csv")
        pairs.append(("S3 (moto on loopback): copied on the server and read back / one `PUT`", s3, putting(whole)))
        lines = []
        for what, ours, theirs in pairs:
            left, right = medians(ours, theirs, rounds, [made, copied])
            lines.append(f"| {what} | {left:.2f} / {right:.2f} | {left / right:.2f} | ≤ 1.3 |")
    return [
        f"\n### {whole.stat().st_size:,} bytes, {rounds} rounds\n",
        "| what | s / s | ratio | aim |",
        "| --- | --- | --- | --- |",
        *lines,
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
    text = "\n".join([f"# Hand-off\n\n{provenance('handoff')}.", *lines])
    print(text)
    if options.write:
        PAGE.write_text(text + "\n")


if __name__ == "__main__":
    main()
