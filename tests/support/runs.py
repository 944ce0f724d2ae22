"""Runs of the programs: `score` inside this process, or anything as a user starts it, through ./submit.sh."""

import contextlib
import csv
import io
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Optional

import pyspark

from jobs import program, score

REPO = Path(__file__).resolve().parents[2]
HOUSING = REPO.parent / "shared" / "housing"
SCHEMA = REPO / "schemas" / "housing.json"
SPARK = ".".join(pyspark.__version__.split(".")[:2])
# the virtual environment with the Spark under test, its S3 file system, its classes as ./submit.sh has archived them, if it has
VENV = ".venv" if SPARK == "3.5" else f".venv-spark-{SPARK}"
S3_JARS = REPO / ".jars" / f"spark-{SPARK}"
ARCHIVE = REPO / VENV / "classes.jsa"
DATE = "2026-11-22"
PLAIN_POLICY = {"actions": [], "otherwise": "keep", "columns": {"ID": "ID", "prediction": "prediction"}}


@dataclass(frozen=True)
class Ended:
    """What a run left behind: exit code, the summary on stdout, what it said on stderr, and its output folder."""

    code: int
    summary: Mapping[str, Any]
    stderr: str
    output: Path
    stdout: str = ""

    @property
    def run(self) -> Path:
        """The folder of the run, published or refused."""
        run_id = str(self.summary["run_id"])
        return self.output / "refused" / run_id if self.summary["status"] == "refused" else self.output / run_id

    @cached_property  # a run never changes; a corpus looks at one many times
    def actions(self) -> list[dict[str, str]]:
        """The rows of actions.csv."""
        return table(self.run / "actions.csv")

    @cached_property
    def rejects(self) -> list[dict[str, str]]:
        """The rows of rejects.csv."""
        return table(self.run / "rejects.csv")

    @property
    def reasons(self) -> dict[int, str]:
        """Line of the input file to reason, of an input of one file."""
        return {int(row["_record"]): row["_reasons"] for row in self.rejects}

    @property
    def package(self) -> dict[str, Any]:
        """The manifest."""
        found: dict[str, Any] = json.loads((self.run / "datapackage.json").read_text(encoding="utf-8"))
        return found

    @property
    def error(self) -> str:
        """The one line that starts with `error:`; fails if there are several, or a traceback beside it."""
        lines = [line for line in self.stderr.splitlines() if line.lower().startswith("error")]
        assert len(lines) == 1, f"not one error line:\n{self.stderr}"
        assert "Traceback" not in self.stderr, self.stderr
        return lines[0]

    @property
    def left_behind(self) -> list[str]:
        """Everything in the output folder that is no run: staging, locks, temporary files."""
        found = [str(path.relative_to(self.output)) for path in self.output.rglob("*")]
        return [path for path in found if "_staging" in path or "_lock" in path or path.endswith(".tmp")]


def table(path: Path) -> list[dict[str, str]]:
    """A CSV file as Python's own reader sees it."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def as_file(content: Any, path: Path) -> str:
    """`content` as an option's value: texts and JSON objects are written to `path` first."""
    if isinstance(content, dict):
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)
    return str(content)


@dataclass
class Score:
    """`score` in this process; `input` is a path or a list of them, schema and policy also the JSON itself."""

    folder: Path
    defaults: dict[str, Any] = field(default_factory=dict)

    def __call__(self, **options: Any) -> Ended:
        """Run with `options` over the defaults."""
        given = {"output": self.folder / "out", "run_date": DATE, **self.defaults, **options}
        arguments = self.arguments(given)
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            code, summary = program.ended(lambda: score.main(arguments, standalone_mode=False))
        return Ended(code, summary, said.getvalue(), Path(str(given["output"])))

    def arguments(self, options: Mapping[str, Any]) -> list[str]:
        """`options` as a command line."""
        line: list[str] = []
        for name, value in options.items():
            for one in value if isinstance(value, (list, tuple)) else [value]:
                option = "--" + name.replace("_", "-")
                if one is True:
                    line.append(option)
                elif one is not None and one is not False:
                    line += [option, as_file(one, self.folder / f"{name}.json")]
        return line


def environment(**more: str) -> dict[str, str]:
    """This process's environment for a program of its own: without what Spark and pytest have added to it."""
    own = ("PYSPARK_", "SPARK_", "PYTEST_", "COV_", "NIGHTLY_", "AWS_", "_PYSPARK")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return {**kept, "NIGHTLY_SPARK": SPARK, **more}


def start(*arguments: str, env: Optional[Mapping[str, str]] = None, repo: Path = REPO) -> "subprocess.Popen[str]":
    """`./submit.sh` with `arguments`, its streams apart."""
    return subprocess.Popen(
        [str(repo / "submit.sh"), *arguments],
        env=dict(env or environment()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(process: "subprocess.Popen[str]", output: Path) -> Ended:
    """Wait for `process`; its stdout is held to be one JSON line or nothing."""
    stdout, stderr = process.communicate(timeout=300)
    summary = json.loads(stdout) if stdout.startswith("{") else {}
    return Ended(process.returncode, summary, stderr, output, stdout)
