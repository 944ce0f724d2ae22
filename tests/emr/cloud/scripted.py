"""Machines that run no Spark: for tests of a job's life, where what it computes does not matter."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tests.emr.cloud.s3 import S3

SUMMARY = {"status": "published", "rows_read": 3}


@dataclass
class Outcome:
    """How the next job goes: how long, how it exits, what it says; `reports` whether it leaves its status file."""

    seconds: float = 0.3
    exit_code: int = 0
    error: str | None = None
    reports: bool = True
    stderr: str = "[    0.1 s] 1 input file, 10 bytes\n26/11/22 19:00:00 INFO SparkContext: noise\n"
    stdout: str = ""


@dataclass
class Process:
    machines: Machines
    arguments: list[str]
    outcome: Outcome
    began: float = field(default_factory=time.monotonic)
    ended: int | None = None

    def poll(self) -> int | None:
        if self.ended is None and time.monotonic() - self.began >= self.outcome.seconds:
            self.ended = 1 if self.outcome.exit_code else 0
            self._report()
        return self.ended

    def end(self) -> None:
        self.ended = -15 if self.ended is None else self.ended

    def output(self) -> dict[str, bytes]:
        return {"stdout": self.outcome.stdout.encode(), "stderr": self.outcome.stderr.encode()}

    def _report(self) -> None:
        if not self.outcome.reports or "--status-uri" not in self.arguments:
            return
        bucket, _, key = self.arguments[self.arguments.index("--status-uri") + 1][len("s3://") :].partition("/")
        code = self.outcome.exit_code
        status = {"exit_code": code, "error": self.outcome.error, "summary": None if code else SUMMARY}
        self.machines.s3.client().put_object(Bucket=bucket, Key=key, Body=json.dumps(status).encode())


class Machines:
    """Stands in for both `Yarn` and `Containers`; `started` are the command lines, in order."""

    def __init__(self, s3: S3) -> None:
        self.s3 = s3
        self.outcome = Outcome()
        self.started: list[list[str]] = []

    def run(self, job: str, what: Any, *, environment_prefix: str = "") -> Process:
        words = list(what) if isinstance(what, list) else list(what["entryPointArguments"])
        self.started.append(words)
        outcome = Outcome(seconds=0) if words[0] == "bash" else self.outcome
        return Process(self, words, outcome)

    def containers(self, application: str) -> dict[str, Path]:
        return {}

    def kill(self, applications: list[str]) -> None:
        """There is nothing that outlives its process."""
