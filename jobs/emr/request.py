"""What every target is told: a job, as spark-submit settings; and the vocabulary that all targets share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from jobs.emr.release import Release

NAME = "nightly-actions"
Phase = Literal["waiting", "running", "cancelling", "succeeded", "failed", "cancelled"]
ENDED: frozenset[Phase] = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True)
class Call:
    """One API request, as `emr plan` prints it and `emr run` sends it."""

    service: str
    operation: str
    parameters: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {"service": self.service, "operation": self.operation, "parameters": self.parameters}


@dataclass(frozen=True)
class Job:
    """A run, ready to be sent: `name` is unique to this attempt and is what a lost job is found by."""

    name: str
    entry: str
    arguments: tuple[str, ...]
    py_files: str
    archives: tuple[str, ...]  # URIs; unpacked into a folder named after the file, up to the first dot
    release: Release
    spark: tuple[str, ...] = ()
    timeout_minutes: int | None = None
    region: str = ""  # the launcher's own
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """How a job stands: the API's own word for it, what that means here, and the API's reason where it gives one."""

    state: str
    phase: Phase
    reason: str = ""
    cost: str = ""

    @property
    def ended(self) -> bool:
        return self.phase in ENDED


class Target(Protocol):
    """A place of EMR that can run a job. `ids` name the job there, once it was taken."""

    @property
    def settings(self) -> dict[str, Any]:
        """What another machine needs to follow the job: goes into the record."""

    @property
    def takes_token(self) -> bool:
        """Whether the same request sent twice starts one job."""

    def place(self) -> str:
        """In words, for people."""

    def release(self) -> Release: ...

    def architecture(self) -> str | None:
        """x86_64 or aarch64 where the API tells, else None."""

    def submission(self, job: Job) -> Call: ...

    def send(self, call: Call) -> dict[str, str]:
        """Sends the request once and returns the job's ids."""

    def find(self, name: str, *, since: float) -> dict[str, str] | None:
        """The ids of a job sent earlier under this name, looking back to `since` (seconds of the epoch)."""

    def snapshot(self, ids: Mapping[str, str]) -> Snapshot: ...

    def cancel(self, ids: Mapping[str, str], *, force: bool = False) -> None: ...

    def clean_up(self, ids: Mapping[str, str], *, name: str, cancelled: bool, wait: Callable[[], bool]) -> str | None:
        """Ends what would outlive the job; a warning with the command to type where that could not be done.

        `wait` pauses between two looks; False once nobody wants to wait any more.
        """

    def clean_up_command(self, ids: Mapping[str, str]) -> str | None:
        """The AWS command that stops the job; None where it takes more than one, which `emr cancel` knows."""

    def log_prefixes(self, ids: Mapping[str, str]) -> list[str]:
        """Where the driver's output is, or will be; the best place first. Empty when logs are not kept."""


def spark_settings(job: Job, *, driver_env: str) -> list[str]:
    """The spark-submit settings of a job; `driver_env` is the platform's prefix for the driver's environment."""
    unpacked = {uri.rpartition("/")[2].partition(".")[0]: uri for uri in job.archives}
    path = ":".join(f"./{folder}" for folder in unpacked)
    settings = {
        "spark.submit.pyFiles": job.py_files,
        "spark.archives": ",".join(f"{uri}#{folder}" for folder, uri in unpacked.items()),
        f"{driver_env}PYTHONPATH": path,
        "spark.executorEnv.PYTHONPATH": path,
    }
    if job.region:
        # a container of YARN has none, and the job would ask S3 of us-east-1, which other partitions do not know
        settings[f"{driver_env}AWS_REGION"] = settings["spark.executorEnv.AWS_REGION"] = job.region
    if job.release.python_command:
        settings[f"{driver_env}PYSPARK_PYTHON"] = job.release.python_command
        settings["spark.executorEnv.PYSPARK_PYTHON"] = job.release.python_command
    words = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    return [*words, *job.spark]  # the caller's own come last and win


def joined(words: Iterable[str]) -> str:
    """The words as the one string that Serverless and EKS take. Quotes only where there is no way around them.

    A `#` needs none there, and AWS's own examples of archives have none; a shell's quoting would add them.
    """
    return " ".join(_quoted(word) if re.search(r"[\s\"'\\]", word) or not word else word for word in words)


def _quoted(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
