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
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

from benchmarks import data
from benchmarks.contenders import MODEL

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
SMALL = 333


@dataclass(frozen=True)
class Program:
    """One thing to be timed: `score` or a contender, over input of a kind, with a model."""

    name: str = "score"
    rows: int = 0  # 0: as many as the bench is asked for, divided by `parts`
    parts: int = 1
    kind: data.Kind = data.Kind()  # noqa: RUF009 - it never changes
    model: str = ""  # the contender that fits it; empty: the example's
    one_core: bool = False

    def command(self, rows: int, work: Path) -> list[str]:
        """Its command line over `rows` rows, with data and models below `work` made where they are not yet."""
        source = data.generate(work, self.rows or rows // self.parts, self.kind)
        model = fitted(self.model, work) if self.model else MODEL
        target = work / "out"
        shutil.rmtree(target, ignore_errors=True)
        if self.name == "score":
            # of all that it starts, the JVM's compilers and collectors too
            return [*(["taskset", "-c", "0"] if self.one_core else []), *score_command(source, target, model=model)]
        return contender(self.name, source, target, model)


@dataclass(frozen=True)
class Pair:
    """Two programs, what their ratio says, and the aim for it."""

    what: str
    left: Program
    right: Program
    aim: str = "shown"


READ_LIKE_THIS = """\
Seconds, left / right of what is compared; the ratio is of their medians. An aim was set beforehand: where the ratio is on the wrong side
of it, it was missed. What is "shown" has none."""
SCORE = Program()
OTHER_TYPES = data.Kind(kinds=True)
PAIRS = {
    "copy": Pair("ours / Spark copying two columns CSV to CSV, no model", SCORE, Program("copy"), "≤ 1.0"),
    "script": Pair("ours / the twenty-line script", SCORE, Program("script"), "≤ 0.35"),
    "mlflow": Pair(
        "ours / mlflow.pyfunc.spark_udf, scikit-learn", SCORE, Program("mlflow", model="fit_mlflow"), "≤ 0.5"
    ),
    "pandas": Pair("ours / pandas in chunks", SCORE, Program("pandas")),
    "polars": Pair("ours / polars", SCORE, Program("polars")),
    "duckdb": Pair("ours / DuckDB", SCORE, Program("duckdb")),
    "small": Pair(f"ours / the script, {SMALL} rows", Program(rows=SMALL), Program("script", rows=SMALL), "≤ 0.6"),
    "quoted": Pair("ours, every text quoted / not quoted", Program(kind=data.Kind(quoted=True)), SCORE, "≤ 1.5"),
    "rejects": Pair("ours, 1% of the rows rejected / none", Program(kind=data.Kind(bad_share=0.01)), SCORE, "≤ 1.3"),
    "line-ends": Pair(
        "ours, 1% of the rows with a line end in a cell / none", Program(kind=data.Kind(broken_share=0.01)), SCORE
    ),
    "unordered": Pair("ours, keys in no order / ascending", Program(kind=data.Kind(shuffled=True)), SCORE),
    "texts": Pair("ours, keys of texts that count / of whole numbers", Program(kind=data.Kind(texts=True)), SCORE),
    "repeated": Pair("ours, one key twice / none", Program(kind=data.Kind(repeated=True)), SCORE),
    "wide": Pair(
        "ours / Spark copying two columns, of 14",
        Program(kind=data.Kind(more=9)),
        Program("copy", kind=data.Kind(more=9)),
    ),
    "kinds": Pair(
        "ours, with an integer, a decimal, a date and a time / Spark copying two columns",
        Program(kind=OTHER_TYPES),
        Program("copy", kind=OTHER_TYPES),
    ),
    "missing": Pair(
        "ours, half of the cells of those four empty / none",
        Program(kind=replace(OTHER_TYPES, missing_share=0.5)),
        Program(kind=OTHER_TYPES),
    ),
    "columns": Pair(
        f"ours, {SMALL} rows of 30 columns / of 5", Program(rows=SMALL, kind=data.Kind(more=25)), Program(rows=SMALL)
    ),
    "left-out": Pair(
        "ours, 1% of the rows left out by the model / none",
        Program(model="fit_left_out"),
        Program(model="fit_one_hot"),
    ),
    "cores": Pair("ours on one core / on all", Program(one_core=True), SCORE, "≥ 1.7"),
    "gbt": Pair("ours / bare transform, GBT", Program(model="fit_gbt"), Program("bare", model="fit_gbt"), "≤ 1.1"),
    "one-hot": Pair(
        "ours / bare transform, one-hot", Program(model="fit_one_hot"), Program("bare", model="fit_one_hot"), "≤ 1.1"
    ),
    "size": Pair("ours / ours on a tenth of the rows", SCORE, Program(parts=10), "≤ 10.5 without start-up"),
}


def score_command(source: Path, target: Path, *more: str, model: str = MODEL) -> list[str]:
    """`./submit.sh score` of the example's model over the files of `data.generate`."""
    options = {
        "--model": model,
        "--input": source,
        "--schema": data.schema_of(source),
        "--policy": source.parent / "policy.json",
        "--output": target,
        "--max-rejects": "100%",
    }
    return [str(ROOT / "submit.sh"), "score", *(str(part) for pair in options.items() for part in pair), *more]


def contender(name: str, source: Path, target: Path, model: str = MODEL) -> list[str]:
    """The command line of a program of `contenders`."""
    # what MLflow needs does not go with what the tests do
    python = str(ROOT / ".venv-mlflow/bin/python") if "mlflow" in name else sys.executable
    program = [python, "-m", "benchmarks.contenders", name, str(source), str(target), model]
    return ["env", f"PYSPARK_PYTHON={python}", *program]


def fitted(name: str, work: Path) -> str:
    """The model that contender `name` fits, made once."""
    target = work / name
    if not target.exists():
        timed(contender(name, data.generate(work, 20_000), target))
    return str(target)


def timed(command: Sequence[str]) -> float:
    """Seconds of one whole run."""
    os.sync()  # what the data's making or the run before has left to be written is not this one's time
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment())
    _, errors = process.communicate()
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed with {process.returncode}:\n{errors.decode()[-2000:]}")
    return time.monotonic() - started


def environment() -> dict[str, str]:
    """This process's, led to the Spark that it runs on itself."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "SPARK_LOCAL_IP": "127.0.0.1"}


def provenance(module: str) -> str:
    """By which command, and on what machine."""
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"By `{' '.join([f'python -m benchmarks.{module}', *sys.argv[1:]])}`, on {machine}"


def compare(rows: int, pairs: Sequence[Pair], rounds: int, work: Path) -> dict[Program, list[float]]:
    """Run each program of the pairs in turn, `rounds` times; the seconds of each."""
    programs = list(dict.fromkeys(program for pair in pairs for program in (pair.left, pair.right)))
    seconds: dict[Program, list[float]] = {program: [] for program in programs}
    for number in range(rounds):
        for program in programs:
            command = program.command(rows, work)
            took = timed(command)
            seconds[program].append(took)
            print(f"round {number + 1}/{rounds} {took:.1f} s {program}", file=sys.stderr, flush=True)
    return seconds


def ratio(pair: Pair, seconds: dict[Program, list[float]]) -> float:
    """Of the medians."""
    return statistics.median(seconds[pair.left]) / statistics.median(seconds[pair.right])


def table(rows: int, rounds: int, pairs: Sequence[Pair], seconds: dict[Program, list[float]]) -> list[str]:
    """The ratios as Markdown."""
    lines = [f"### {rows:,} rows, {rounds} rounds\n", f"{provenance('run')}.\n"]
    lines += ["| what | s / s | ratio | aim |", "| --- | --- | --- | --- |"]
    for pair in pairs:
        left, right = (" ".join(f"{value:.1f}" for value in seconds[program]) for program in (pair.left, pair.right))
        lines.append(f"| {pair.what} | {left} / {right} | {ratio(pair, seconds):.2f} | {pair.aim} |")
    return lines


def write(tables: dict[int, str]) -> None:
    """Put the tables, by number of rows, into RESULTS.md; those of other numbers stay."""
    _, *old = RESULTS.read_text().split("\n### ") if RESULTS.exists() else [""]
    kept = {int(section.split(" ")[0].replace(",", "")): "### " + section.rstrip() for section in old}
    RESULTS.write_text(
        "\n\n".join(["# Results", READ_LIKE_THIS, *(text for _, text in sorted({**kept, **tables}.items()))]) + "\n"
    )


def main() -> None:
    """Compare, print, and with --write put the tables into RESULTS.md; with --at-most fail when a ratio to `copy` is above."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--against", default="copy", help="comma-separated: " + ", ".join(PAIRS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write benchmarks/RESULTS.md")
    parser.add_argument("--at-most", type=float, help="fail if ours / copy is above this")
    options = parser.parse_args()
    pairs = [PAIRS[name] for name in options.against.split(",")]
    tables: dict[int, str] = {}
    worst: Optional[float] = None
    with tempfile.TemporaryDirectory(prefix="nightly-bench-") as folder:
        for rows in options.rows:
            seconds = compare(rows, pairs, options.rounds, Path(folder))
            tables[rows] = "\n".join(table(rows, options.rounds, pairs, seconds))
            worst = max(worst or 0.0, ratio(pairs[0], seconds))
    print("\n\n".join(tables.values()))
    if options.write:
        write(tables)
    if options.at_most is not None and worst is not None and worst > options.at_most:
        sys.exit(f"{pairs[0].what} is {worst:.2f}, more than {options.at_most}: what made it slower?")


if __name__ == "__main__":
    main()
