"""Speed as ratios: whole processes, interleaved, medians. `make bench ROWS=10000000` writes RESULTS.md."""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import data

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
MEANING = {
    "score": "`./submit.sh score`, everything on",
    "copy": "Spark copies two columns CSV to CSV, explicit schema, no model",
    "script": "the twenty-line script: inferSchema, transform, coalesce(1), CSV",
    "pandas": "pandas in chunks, same arithmetic",
    "polars": "polars, same arithmetic",
    "duckdb": "DuckDB, same arithmetic",
}


def score_command(source: Path, target: Path, *more: str) -> list[str]:
    """`./submit.sh score` of the example's model over the files of `data.generate`."""
    options = {
        "--model": ROOT / "examples/housing/model",
        "--input": source,
        "--schema": source.parent / "schema.json",
        "--policy": source.parent / "policy.json",
        "--output": target,
        "--max-rejects": "100%",
    }
    return [str(ROOT / "submit.sh"), "score", *(str(part) for pair in options.items() for part in pair), *more]


def timed(name: str, source: Path, work: Path) -> float:
    """Seconds of one whole run of contender `name`."""
    target = work / f"out-{name}"
    shutil.rmtree(target, ignore_errors=True)
    command = [sys.executable, "-m", "benchmarks.contenders", name, str(source), str(target)]
    if name == "score":
        command = score_command(source, target)
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment())
    _, errors = process.communicate()
    if process.returncode:
        sys.exit(f"{name} failed with {process.returncode}:\n{errors.decode()[-2000:]}")
    return time.monotonic() - started


def environment() -> dict[str, str]:
    """This process's, led to the Spark and Python that it runs on itself."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}


def compare(rows: int, against: list[str], rounds: int, work: Path) -> list[str]:
    """Run `score` and each contender in turn, `rounds` times; lines of a Markdown table."""
    source = data.generate(work, rows)
    names = ["score", *against]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names:
            took = timed(name, source, work)
            seconds[name].append(took)
            print(f"round {number + 1}/{rounds} {name}: {took:.1f} s", file=sys.stderr, flush=True)
    ours = statistics.median(seconds["score"])
    lines = [
        f"\n### {rows:,} rows, {rounds} rounds\n",
        "| what | median s | all s | ours / this |",
        "| --- | --- | --- | --- |",
    ]
    for name in names:
        median = statistics.median(seconds[name])
        each = " ".join(f"{value:.1f}" for value in seconds[name])
        lines.append(f"| {MEANING[name]} | {median:.1f} | {each} | {ours / median:.2f} |")
    return lines


def main() -> None:
    """Compare, print, and with --write put the table into RESULTS.md; with --at-most fail when a ratio to `copy` is above."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--against", default="copy", help="comma-separated: " + ", ".join(MEANING))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write benchmarks/RESULTS.md")
    parser.add_argument("--at-most", type=float, help="fail if ours / copy is above this")
    options = parser.parse_args()
    lines: list[str] = []
    with tempfile.TemporaryDirectory(prefix="nightly-bench-") as folder:
        for rows in options.rows:
            lines += compare(rows, options.against.split(","), options.rounds, Path(folder))
    print("\n".join(lines))
    if options.write:
        machine = (
            f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
        )
        command = " ".join(["python -m benchmarks.run", *sys.argv[1:]])
        RESULTS.write_text("\n".join([f"# Results\n\nBy `{command}`, on {machine}.", *lines]) + "\n")
    ratio = float(next(line for line in lines if MEANING["copy"] in line).rsplit("|", 2)[1])
    if options.at_most is not None and ratio > options.at_most:
        sys.exit(f"ours / copy is {ratio}, more than {options.at_most}: what made it slower?")


if __name__ == "__main__":
    main()
