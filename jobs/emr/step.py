"""EMR on EC2, a step on a cluster that others use too: the cluster itself is never touched."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jobs.emr import release as releases
from jobs.emr.request import Call, Job, Phase, Snapshot, spark_settings
from jobs.errors import SubmissionError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobs.emr.clients import Clients

PHASES: dict[str, Phase] = {
    "PENDING": "waiting",
    "RUNNING": "running",
    "CANCEL_PENDING": "cancelling",
    "COMPLETED": "succeeded",
    "FAILED": "failed",
    "INTERRUPTED": "failed",
    "CANCELLED": "cancelled",
}
GONE = ("TERMINATED", "TERMINATED_WITH_ERRORS")
STEP_LIMIT = 10_240  # characters in all the strings of one step together
# what a cancelled step leaves: in cluster mode the driver lives on in YARN, and would still publish
KILL = (
    "apps=$(yarn application -list -appTags {name} -appStates NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING)"
    """ && for app in $(grep -o 'application_[0-9_]*' <<<"$apps" | sort -u); do yarn application -kill $app; done"""
)
_TAGS = re.compile(r"(?:(?:--conf|-c)=)?spark\.yarn\.tags=(.*)")


@dataclass(frozen=True)
class Settings:
    cluster_id: str
    log_uri: str = ""  # of the cluster; empty when it keeps none


def step_request(job: Job, *, on_failure: str) -> dict[str, Any]:
    """A step that runs the job in YARN's cluster mode; UsageError when it is longer than EMR takes."""
    words = ["spark-submit", "--master", "yarn", "--deploy-mode", "cluster"]
    # YARN would run a refused job a second time
    words += ["--conf", "spark.yarn.maxAppAttempts=1"]
    words += spark_settings(job, driver_env="spark.yarn.appMasterEnv.")
    # behind the caller's own, of which it has all: the driver is found by it
    tags = [job.name, *(match[1] for word in job.spark if (match := _TAGS.fullmatch(word)))]
    words += ["--conf", f"spark.yarn.tags={','.join(tags)}"]
    args = [*words, job.entry, *job.arguments]
    length = sum(len(word) for word in (job.name, "command-runner.jar", on_failure, *args))
    if length > STEP_LIMIT:
        raise UsageError(
            f"the command has {length} characters, and EMR takes {STEP_LIMIT} in a step; give a folder as --input "
            "instead of many files"
        )
    return {
        "Name": job.name,
        "ActionOnFailure": on_failure,
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": args},
    }


def step_snapshot(step: Mapping[str, Any]) -> Snapshot:
    status = step["Status"]
    details = status.get("FailureDetails") or {}
    change = (status.get("StateChangeReason") or {}).get("Message")
    parts = [details.get("Reason"), details.get("Message"), change]
    return Snapshot(status["State"], PHASES[status["State"]], ": ".join(dict.fromkeys(p for p in parts if p)))


def cluster_reason(cluster: Mapping[str, Any]) -> str:
    """Why a cluster is in its state, in the API's words."""
    change = cluster["Status"].get("StateChangeReason") or {}
    errors = [error.get("ErrorMessage") for error in cluster["Status"].get("ErrorDetails") or ()]
    return ": ".join(dict.fromkeys(part for part in (change.get("Code"), change.get("Message"), *errors) if part))


def log_uri_of(cluster: Mapping[str, Any]) -> str:
    """The cluster's log folder; EMR answers s3n:// or the text None where one would expect s3:// or nothing."""
    uri = str(cluster.get("LogUri") or "")
    return uri.replace("s3n://", "s3://", 1).rstrip("/") if "://" in uri else ""


def step_log_prefixes(base: str, cluster_id: str, step: Mapping[str, Any]) -> list[str]:
    """The driver's container first, where EMR says which application it was; then the step's own folder."""
    applications = (step.get("AdditionalInfo") or {}).get("ResourceManagerApplicationIds") or ()
    containers = [f"{base}/{cluster_id}/containers/{application}/" for application in applications]
    return [*containers, f"{base}/{cluster_id}/steps/{step['Id']}/"]


class Step:
    """A target: see `request.Target`."""

    takes_token = False

    def __init__(self, settings: Settings, *, clients: Clients) -> None:
        self._settings = settings
        self._clients = clients

    @property
    def settings(self) -> dict[str, Any]:
        return asdict(self._settings)

    def place(self) -> str:
        return f"a step on the cluster {self._settings.cluster_id}"

    def release(self) -> releases.Release:
        cluster = self._cluster()
        if cluster["Status"]["State"] in (*GONE, "TERMINATING"):
            raise SubmissionError(
                f"the cluster {self._settings.cluster_id} is {cluster['Status']['State']} ({cluster_reason(cluster)}); "
                "give --cluster-id of one that runs, or --cluster-spec to start one"
            )
        # read here because the same answer carries it, and it must be known before the record is written
        self._settings = Settings(self._settings.cluster_id, log_uri_of(cluster))
        return releases.from_label(cluster["ReleaseLabel"])

    def architecture(self) -> str | None:
        return None

    def submission(self, job: Job) -> Call:
        step = step_request(job, on_failure="CONTINUE")
        return Call("emr", "AddJobFlowSteps", {"JobFlowId": self._settings.cluster_id, "Steps": [step]})

    def send(self, call: Call) -> dict[str, str]:
        return {"step_id": self._clients.emr_once.add_job_flow_steps(**call.parameters)["StepIds"][0]}

    def find(self, name: str, *, since: float) -> dict[str, str] | None:
        pages = self._clients.emr.get_paginator("list_steps").paginate(ClusterId=self._settings.cluster_id)
        for step in (step for page in pages for step in page.get("Steps", ())):
            if step["Name"] == name:
                return {"step_id": step["Id"]}
            if step["Status"]["Timeline"]["CreationDateTime"].timestamp() < since:
                return None  # newest first: what follows is older still
        return None

    def snapshot(self, ids: Mapping[str, str]) -> Snapshot:
        snapshot = step_snapshot(self._step(ids))
        if snapshot.ended:
            return snapshot
        cluster = self._cluster()
        if cluster["Status"]["State"] in GONE:
            return Snapshot(cluster["Status"]["State"], "failed", f"the cluster was lost: {cluster_reason(cluster)}")
        return snapshot

    def cancel(self, ids: Mapping[str, str], *, force: bool = False) -> None:
        self._clients.emr.cancel_steps(
            ClusterId=self._settings.cluster_id,
            StepIds=[ids["step_id"]],
            StepCancellationOption="TERMINATE_PROCESS" if force else "SEND_INTERRUPT",
        )

    def clean_up(self, ids: Mapping[str, str], *, name: str, cancelled: bool, wait: Callable[[], bool]) -> str | None:
        if not cancelled or "StartDateTime" not in self._step(ids)["Status"]["Timeline"]:
            return None
        if self._cluster()["Status"]["State"] in (*GONE, "TERMINATING"):
            return None  # and the driver with it
        step = {
            "Name": f"{name}-stop",
            "ActionOnFailure": "CONTINUE",
            "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["bash", "-c", KILL.format(name=name)]},
        }
        request = {"JobFlowId": self._settings.cluster_id, "Steps": [step]}
        stop_ids = {"step_id": self._clients.emr_once.add_job_flow_steps(**request)["StepIds"][0]}
        for _ in range(60):
            snapshot = step_snapshot(self._step(stop_ids))
            if snapshot.ended or not wait():
                break
        if snapshot.phase == "succeeded":
            return None
        return (
            f"the step that stops the YARN application is {snapshot.state}, so the driver may still run; "
            f"on the cluster's primary node: {KILL.format(name=name)}"
        )

    def clean_up_command(self, ids: Mapping[str, str]) -> str | None:
        return None  # CancelSteps leaves the driver

    def log_prefixes(self, ids: Mapping[str, str]) -> list[str]:
        if not self._settings.log_uri:
            return []
        return step_log_prefixes(self._settings.log_uri, self._settings.cluster_id, self._step(ids))

    def _cluster(self) -> dict[str, Any]:
        cluster: dict[str, Any] = self._clients.emr.describe_cluster(ClusterId=self._settings.cluster_id)["Cluster"]
        return cluster

    def _step(self, ids: Mapping[str, str]) -> dict[str, Any]:
        answer = self._clients.emr.describe_step(ClusterId=self._settings.cluster_id, StepId=ids["step_id"])
        step: dict[str, Any] = answer["Step"]
        return step
