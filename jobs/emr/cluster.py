"""EMR on EC2, a cluster of the run's own: started for it, and terminated after it whatever happens."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.validate import ParamValidator

from jobs import documents
from jobs.emr import release as releases
from jobs.emr.request import Call, Job, Snapshot
from jobs.emr.step import GONE, cluster_reason, step_log_prefixes, step_request, step_snapshot
from jobs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobs.emr.clients import Clients


OURS = {"Name", "Steps"}  # the launcher writes these


@dataclass(frozen=True)
class Settings:
    spec: dict[str, Any]  # RunJobFlow parameters, less what the launcher writes
    log_uri: str


def read_spec(path: str) -> dict[str, Any]:
    """The settings file: the parameters of RunJobFlow as JSON. UsageError says what is wrong with it."""
    spec = documents.load(path, "--cluster-spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("Instances"), dict) or "ReleaseLabel" not in spec:
        raise UsageError(f"--cluster-spec {path} needs at least ReleaseLabel and Instances, as RunJobFlow takes them")
    if taken := OURS & spec.keys():
        raise UsageError(
            f"--cluster-spec {path} has {', '.join(sorted(taken))}, which the launcher writes; leave it out"
        )
    _check_types(spec, path)
    instances = spec["Instances"]
    if instances.get("KeepJobFlowAliveWhenNoSteps") or instances.get("TerminationProtected"):
        raise UsageError(
            f"--cluster-spec {path} keeps the cluster alive; this cluster is the run's own and ends with it: leave out "
            "KeepJobFlowAliveWhenNoSteps and TerminationProtected, or use --cluster-id for one that stays"
        )
    if (primaries := _primaries(instances)) > 1:
        raise UsageError(
            f"--cluster-spec {path} has {primaries} primary nodes, and EMR protects such a cluster from termination, "
            "whatever the request says; this one ends with the run: ask for one primary node"
        )
    return spec


def _primaries(instances: dict[str, Any]) -> int:
    groups = (group for group in instances.get("InstanceGroups", ()) if group["InstanceRole"] == "MASTER")
    fleets = (fleet for fleet in instances.get("InstanceFleets", ()) if fleet["InstanceFleetType"] == "MASTER")
    counts: list[int] = [group["InstanceCount"] for group in groups]
    counts += [fleet.get(f"Target{kind}Capacity", 0) for fleet in fleets for kind in ("OnDemand", "Spot")]
    return sum(counts)


def _check_types(spec: dict[str, Any], path: str) -> None:
    """Against the service's own description: what does not fit would be found out only when it is sent."""
    wanted: Any = botocore.session.get_session().get_service_model("emr").operation_model("RunJobFlow").input_shape
    found = ParamValidator().validate({**spec, "Name": "", "Steps": []}, wanted)
    if found.has_errors():
        raise UsageError(f"--cluster-spec {path}: {found.generate_report().splitlines()[0]}; correct it")


class Cluster:
    """A target: see `request.Target`."""

    takes_token = False

    def __init__(self, settings: Settings, *, clients: Clients) -> None:
        self._settings = settings
        self._clients = clients

    @property
    def settings(self) -> dict[str, Any]:
        return asdict(self._settings)

    def place(self) -> str:
        return "an EMR cluster of its own"

    def release(self) -> releases.Release:
        return releases.from_label(self._settings.spec["ReleaseLabel"])

    def architecture(self) -> str | None:
        return None

    def submission(self, job: Job) -> Call:
        parameters = copy.deepcopy(self._settings.spec)
        parameters["Name"] = job.name
        parameters["LogUri"] = self._settings.log_uri
        parameters["Steps"] = [step_request(job, on_failure="TERMINATE_CLUSTER")]
        parameters["Instances"]["KeepJobFlowAliveWhenNoSteps"] = False
        parameters.setdefault("Applications", [{"Name": "Hadoop"}, {"Name": "Spark"}])
        own = [{"Key": key, "Value": value} for key, value in job.tags.items()]
        parameters["Tags"] = [tag for tag in parameters.get("Tags", ()) if tag.get("Key") not in job.tags] + own
        return Call("emr", "RunJobFlow", parameters)

    def send(self, call: Call) -> dict[str, str]:
        return {"cluster_id": self._clients.emr_once.run_job_flow(**call.parameters)["JobFlowId"]}

    def find(self, name: str, *, since: float) -> dict[str, str] | None:
        pages = self._clients.emr.get_paginator("list_clusters").paginate(
            CreatedAfter=datetime.fromtimestamp(since, timezone.utc)
        )
        clusters = (cluster for page in pages for cluster in page.get("Clusters", ()))
        return next(({"cluster_id": cluster["Id"]} for cluster in clusters if cluster["Name"] == name), None)

    def snapshot(self, ids: Mapping[str, str]) -> Snapshot:
        cluster = self._cluster(ids)
        state, reason = cluster["Status"]["State"], cluster_reason(cluster)
        step = self._step(ids)
        snapshot = step_snapshot(step) if step else None
        if snapshot and snapshot.phase in ("succeeded", "failed"):
            return snapshot
        if state in GONE:
            by_request = (cluster["Status"].get("StateChangeReason") or {}).get("Code") == "USER_REQUEST"
            return Snapshot(state, "cancelled" if by_request else "failed", reason)
        if state == "TERMINATING":
            return Snapshot(state, "cancelling", reason)
        if snapshot and snapshot.phase == "running":
            return snapshot
        return Snapshot(state, "waiting", reason)

    def cancel(self, ids: Mapping[str, str], *, force: bool = False) -> None:
        self._clients.emr.terminate_job_flows(JobFlowIds=[ids["cluster_id"]])

    def clean_up(self, ids: Mapping[str, str], *, name: str, cancelled: bool, wait: Callable[[], bool]) -> str | None:
        if self._cluster(ids)["Status"]["State"] not in (*GONE, "TERMINATING"):
            self._clients.emr.terminate_job_flows(JobFlowIds=[ids["cluster_id"]])
        return None

    def clean_up_command(self, ids: Mapping[str, str]) -> str:
        return self._clients.command("emr", "terminate-clusters", "--cluster-ids", ids["cluster_id"])

    def log_prefixes(self, ids: Mapping[str, str]) -> list[str]:
        base, cluster_id = self._settings.log_uri.rstrip("/"), ids["cluster_id"]
        step = self._step(ids)
        own = step_log_prefixes(base, cluster_id, step) if step else []
        return [*own, f"{base}/{cluster_id}/node/"]

    def _cluster(self, ids: Mapping[str, str]) -> dict[str, Any]:
        cluster: dict[str, Any] = self._clients.emr.describe_cluster(ClusterId=ids["cluster_id"])["Cluster"]
        return cluster

    def _step(self, ids: Mapping[str, str]) -> dict[str, Any] | None:
        steps = self._clients.emr.list_steps(ClusterId=ids["cluster_id"]).get("Steps", [])
        return steps[0] if steps else None
