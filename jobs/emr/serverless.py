"""EMR Serverless: a job run of an application."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from jobs.emr import release as releases
from jobs.emr.request import Call, Job, Phase, Snapshot, joined, spark_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobs.emr.clients import Clients

PHASES: dict[str, Phase] = {
    "SUBMITTED": "waiting",
    "QUEUED": "waiting",
    "PENDING": "waiting",
    "SCHEDULED": "waiting",
    "RUNNING": "running",
    "CANCELLING": "cancelling",
    "SUCCESS": "succeeded",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
}


@dataclass(frozen=True)
class Settings:
    application_id: str
    role: str
    log_uri: str


class Serverless:
    """A target: see `request.Target`."""

    takes_token = True

    def __init__(self, settings: Settings, *, clients: Clients) -> None:
        self._settings = settings
        self._clients = clients

    @property
    def settings(self) -> dict[str, Any]:
        return asdict(self._settings)

    def place(self) -> str:
        return f"EMR Serverless application {self._settings.application_id}"

    def release(self) -> releases.Release:
        return releases.from_label(self._application()["releaseLabel"])

    def architecture(self) -> str | None:
        return "aarch64" if self._application().get("architecture") == "ARM64" else "x86_64"

    def submission(self, job: Job) -> Call:
        words = spark_settings(job, driver_env="spark.emr-serverless.driverEnv.")
        parameters: dict[str, Any] = {
            "applicationId": self._settings.application_id,
            # the same for every sending of this attempt, so that it starts once
            "clientToken": job.name,
            "name": job.name,
            "executionRoleArn": self._settings.role,
            "jobDriver": {
                "sparkSubmit": {
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
        if job.timeout_minutes is not None:
            # the service keeps this limit even when this launcher is gone
            parameters["executionTimeoutMinutes"] = job.timeout_minutes
        return Call("emr-serverless", "StartJobRun", parameters)

    def send(self, call: Call) -> dict[str, str]:
        return {"job_run_id": self._clients.serverless.start_job_run(**call.parameters)["jobRunId"]}

    def find(self, name: str, *, since: float) -> dict[str, str] | None:
        pages = self._clients.serverless.get_paginator("list_job_runs").paginate(
            applicationId=self._settings.application_id, createdAtAfter=datetime.fromtimestamp(since, timezone.utc)
        )
        runs = (run for page in pages for run in page["jobRuns"])
        return next(({"job_run_id": run["id"]} for run in runs if run.get("name") == name), None)

    def snapshot(self, ids: Mapping[str, str]) -> Snapshot:
        run = self._clients.serverless.get_job_run(**self._names(ids))["jobRun"]
        billed = run.get("billedResourceUtilization") or {}
        cost = ", ".join(
            f"{billed[key]:g} {unit}"
            for key, unit in (
                ("vCPUHour", "vCPU hours"),
                ("memoryGBHour", "GB hours"),
                ("storageGBHour", "GB hours of disk"),
            )
            if billed.get(key)
        )
        return Snapshot(run["state"], PHASES[run["state"]], run.get("stateDetails", ""), cost)

    def cancel(self, ids: Mapping[str, str], *, force: bool = False) -> None:
        self._clients.serverless.cancel_job_run(**self._names(ids))

    def clean_up(self, ids: Mapping[str, str], *, name: str, cancelled: bool, wait: Callable[[], bool]) -> str | None:
        return None  # the application stops by itself when idle

    def clean_up_command(self, ids: Mapping[str, str]) -> str:
        words = ["emr-serverless", "cancel-job-run", "--application-id", self._settings.application_id]
        return self._clients.command(*words, "--job-run-id", ids["job_run_id"])

    def log_prefixes(self, ids: Mapping[str, str]) -> list[str]:
        base = self._settings.log_uri.rstrip("/")
        return [f"{base}/applications/{self._settings.application_id}/jobs/{ids['job_run_id']}/"]

    def _application(self) -> dict[str, Any]:
        answer = self._clients.serverless.get_application(applicationId=self._settings.application_id)
        application: dict[str, Any] = answer["application"]
        return application

    def _names(self, ids: Mapping[str, str]) -> dict[str, str]:
        return {"applicationId": self._settings.application_id, "jobRunId": ids["job_run_id"]}
