"""EMR on EKS: a job run of a virtual cluster."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from jobs.emr import release as releases
from jobs.emr.request import Call, Job, Phase, Snapshot, joined, spark_settings
from jobs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobs.emr.clients import Clients

PHASES: dict[str, Phase] = {
    "PENDING": "waiting",
    "SUBMITTED": "waiting",
    "RUNNING": "running",
    "CANCEL_PENDING": "cancelling",
    "COMPLETED": "succeeded",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
}
ENTRY_POINT_LIMIT = 256


@dataclass(frozen=True)
class Settings:
    virtual_cluster_id: str
    role: str
    log_uri: str
    release_label: str


class Eks:
    """A target: see `request.Target`."""

    takes_token = True

    def __init__(self, settings: Settings, *, clients: Clients) -> None:
        self._settings = settings
        self._clients = clients

    @property
    def settings(self) -> dict[str, Any]:
        return asdict(self._settings)

    def place(self) -> str:
        return f"EMR on EKS virtual cluster {self._settings.virtual_cluster_id}"

    def release(self) -> releases.Release:
        return releases.from_label(self._settings.release_label)

    def architecture(self) -> str | None:
        return None

    def submission(self, job: Job) -> Call:
        if len(job.entry) > ENTRY_POINT_LIMIT:
            raise UsageError(
                f"{job.entry} is longer than the {ENTRY_POINT_LIMIT} characters EMR on EKS allows; shorten --staging"
            )
        words = spark_settings(job, driver_env="spark.kubernetes.driverEnv.")
        parameters = {
            "virtualClusterId": self._settings.virtual_cluster_id,
            "clientToken": job.name,
            "name": job.name,
            "executionRoleArn": self._settings.role,
            "releaseLabel": self._settings.release_label,
            "jobDriver": {
                "sparkSubmitJobDriver": {
                    "entryPoint": job.entry,
                    "entryPointArguments": list(job.arguments),
                    "sparkSubmitParameters": joined(words),
                }
            },
            "configurationOverrides": {
                "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": self._settings.log_uri}}
            },
            "tags": job.tags,
        }
        return Call("emr-containers", "StartJobRun", parameters)

    def send(self, call: Call) -> dict[str, str]:
        return {"job_run_id": self._clients.containers.start_job_run(**call.parameters)["id"]}

    def find(self, name: str, *, since: float) -> dict[str, str] | None:
        pages = self._clients.containers.get_paginator("list_job_runs").paginate(
            virtualClusterId=self._settings.virtual_cluster_id,
            createdAfter=datetime.fromtimestamp(since, timezone.utc),
            name=name,
        )
        runs = (run for page in pages for run in page.get("jobRuns", ()))
        return next(({"job_run_id": run["id"]} for run in runs if run.get("name") == name), None)

    def snapshot(self, ids: Mapping[str, str]) -> Snapshot:
        run = self._clients.containers.describe_job_run(**self._names(ids))["jobRun"]
        reason = ": ".join(part for part in (run.get("failureReason"), run.get("stateDetails")) if part)
        return Snapshot(run["state"], PHASES[run["state"]], reason)

    def cancel(self, ids: Mapping[str, str], *, force: bool = False) -> None:
        self._clients.containers.cancel_job_run(**self._names(ids))

    def clean_up(self, ids: Mapping[str, str], *, name: str, cancelled: bool, wait: Callable[[], bool]) -> str | None:
        return None  # the driver's pod goes with the job run

    def clean_up_command(self, ids: Mapping[str, str]) -> str:
        words = ["emr-containers", "cancel-job-run", "--virtual-cluster-id", self._settings.virtual_cluster_id]
        return self._clients.command(*words, "--id", ids["job_run_id"])

    def log_prefixes(self, ids: Mapping[str, str]) -> list[str]:
        base, run = self._settings.log_uri.rstrip("/"), ids["job_run_id"]
        return [f"{base}/{self._settings.virtual_cluster_id}/jobs/{run}/containers/spark-{run}/spark-{run}-driver/"]

    def _names(self, ids: Mapping[str, str]) -> dict[str, str]:
        return {"virtualClusterId": self._settings.virtual_cluster_id, "id": ids["job_run_id"]}
