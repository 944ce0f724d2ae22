"""EMR on EC2 in the small AWS: clusters, and steps on them. There is no client token, as in the real one."""

from __future__ import annotations

import itertools
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.emr.cloud.protocol import Refused
from tests.emr.cloud.work import STEP_SECONDS, Words, Work, put_log

if TYPE_CHECKING:
    from tests.emr.cloud.faults import Faults
    from tests.emr.cloud.machines import Yarn
    from tests.emr.cloud.s3 import S3

SHARED = "j-SHARED0000001"
STEP_WORDS = Words(("PENDING",), "RUNNING", "COMPLETED", "FAILED", "CANCEL_PENDING", "CANCELLED")
GONE = ("TERMINATED", "TERMINATED_WITH_ERRORS")


@dataclass
class Cluster:
    id: str
    name: str
    state: str
    log_uri: str
    release_label: str = "emr-7.10.0"
    code: str = ""
    message: str = ""
    created: float = field(default_factory=time.time)
    steps: dict[str, Work] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)

    def end(self, state: str, code: str, message: str) -> None:
        if self.state not in GONE:
            self.state, self.code, self.message = state, code, message


class Ec2:
    def __init__(self, s3: S3, faults: Faults, yarn: Yarn) -> None:
        self.s3, self.faults, self.yarn = s3, faults, yarn
        # as the real one answers it
        self.clusters = {SHARED: Cluster(SHARED, "shared", "WAITING", "s3n://logs/shared/")}
        self._numbers = itertools.count(1)

    def handle(self, operation: str, p: dict[str, Any]) -> dict[str, Any]:
        return dict(getattr(self, f"_{operation}")(p) or {})

    def _AddJobFlowSteps(self, p: dict[str, Any]) -> dict[str, Any]:
        cluster = self._cluster(p["JobFlowId"])
        if cluster.state in GONE:
            raise Refused("ValidationException", f"Job flow {cluster.id} is terminated")
        return {"StepIds": [self._add(cluster, step).id for step in p["Steps"]]}

    def _RunJobFlow(self, p: dict[str, Any]) -> dict[str, Any]:
        name = f"j-OWN{next(self._numbers):010d}"
        named = (name, p["Name"], "STARTING", p.get("LogUri", ""), p["ReleaseLabel"])
        cluster = Cluster(*named, created=self.faults.now(), parameters=p)
        self.clusters[name] = cluster
        threading.Thread(target=self._live, args=(cluster,), daemon=True).start()
        return {"JobFlowId": name}

    def _DescribeCluster(self, p: dict[str, Any]) -> dict[str, Any]:
        cluster = self._cluster(p["ClusterId"])
        return {"Cluster": {**_summary(cluster), "ReleaseLabel": cluster.release_label, "LogUri": cluster.log_uri}}

    def _ListClusters(self, p: dict[str, Any]) -> dict[str, Any]:
        after = float(p.get("CreatedAfter", 0))
        found = [cluster for cluster in self.clusters.values() if cluster.created >= after]
        return {"Clusters": [_summary(cluster) for cluster in reversed(found)]}

    def _ListSteps(self, p: dict[str, Any]) -> dict[str, Any]:
        steps = self._cluster(p["ClusterId"]).steps.values()
        return {"Steps": [_described(work) for work in reversed(steps)]}

    def _DescribeStep(self, p: dict[str, Any]) -> dict[str, Any]:
        return {"Step": _described(self._step(p["ClusterId"], p["StepId"]))}

    def _CancelSteps(self, p: dict[str, Any]) -> dict[str, Any]:
        for step in p["StepIds"]:
            self._step(p["ClusterId"], step).cancel(at_once=p.get("StepCancellationOption") == "TERMINATE_PROCESS")
        return {"CancelStepsInfoList": [{"StepId": step, "Status": "SUBMITTED"} for step in p["StepIds"]]}

    def _TerminateJobFlows(self, p: dict[str, Any]) -> None:
        for cluster in [self._cluster(name) for name in p["JobFlowIds"]]:
            if cluster.state not in GONE:
                cluster.state, cluster.code, cluster.message = (
                    "TERMINATING",
                    "USER_REQUEST",
                    "Terminated by user request",
                )
                threading.Thread(target=self._shut_down, args=(cluster,), daemon=True).start()

    def _cluster(self, name: str) -> Cluster:
        if name not in self.clusters:
            raise Refused("InvalidRequestException", f"Cluster id '{name}' is not valid.")
        return self.clusters[name]

    def _step(self, cluster: str, name: str) -> Work:
        if name not in self._cluster(cluster).steps:
            raise Refused("InvalidRequestException", f"Step id '{name}' is not valid.")
        return self._cluster(cluster).steps[name]

    def _add(self, cluster: Cluster, step: dict[str, Any], *, begin: bool = True) -> Work:
        name = f"s-{next(self._numbers):013d}"
        work = Work(
            name,
            step["Name"],
            step,
            STEP_WORDS,
            self.faults,
            lambda work: self.yarn.run(work.id, work.parameters["HadoopJarStep"]["Args"]),
            lambda work: self._write_logs(cluster, work),
        )
        cluster.steps[name] = work
        if begin:
            work.begin()
            if self.faults.lose_cluster:
                threading.Thread(target=self._lose, args=(cluster, work), daemon=True).start()
        return work

    def _live(self, cluster: Cluster) -> None:
        """A cluster of its own: up, its steps, and down."""
        time.sleep(STEP_SECONDS)
        works = [self._add(cluster, step, begin=False) for step in cluster.parameters.get("Steps", ())]
        if self.faults.no_capacity:
            cluster.end("TERMINATED_WITH_ERRORS", "VALIDATION_ERROR", "EC2 is out of capacity for m5.xlarge")
        for state in ("BOOTSTRAPPING", "RUNNING"):
            if cluster.state in ("TERMINATING", *GONE):
                return
            cluster.state = state
            time.sleep(STEP_SECONDS)
        for work in works:
            work.begin()
            work.join(timeout=None)
        if cluster.state == "RUNNING":
            failed = any(work.state != "COMPLETED" for work in works)
            cluster.state, cluster.code = "TERMINATING", "STEP_FAILURE" if failed else "ALL_STEPS_COMPLETED"
            cluster.message = "Steps completed with errors" if failed else "Steps completed"
            time.sleep(STEP_SECONDS)
            cluster.end("TERMINATED", cluster.code, cluster.message)

    def _shut_down(self, cluster: Cluster) -> None:
        for work in cluster.steps.values():
            work.cancel()
        for work in cluster.steps.values():
            self.yarn.kill(_applications(work))
        time.sleep(STEP_SECONDS)
        cluster.end("TERMINATED", cluster.code, cluster.message)

    def _lose(self, cluster: Cluster, work: Work) -> None:
        while work.started is None:
            time.sleep(0.05)
        time.sleep(STEP_SECONDS)
        cluster.end("TERMINATED_WITH_ERRORS", "INSTANCE_FAILURE", "The master node was terminated")

    def _write_logs(self, cluster: Cluster, work: Work) -> None:
        """After the end, as EMR does it: minutes late there."""
        base = f"{cluster.log_uri.replace('s3n://', 's3://').rstrip('/')}/{cluster.id}"
        if not work.process or not work.is_over or "://" not in base:
            return
        for name, body in work.process.output().items():
            put_log(self.s3, f"{base}/steps/{work.id}/{name}.gz", body)
        for application in _applications(work):
            for name, path in self.yarn.containers(application).items():
                put_log(self.s3, f"{base}/containers/{application}/{name}.gz", path.read_bytes())


def _applications(work: Work) -> list[str]:
    text = work.process.output()["stderr"].decode() if work.process else ""
    return sorted(set(re.findall(r"application_\d+_\d+", text)))


def _summary(cluster: Cluster) -> dict[str, Any]:
    change = {key: value for key, value in (("Code", cluster.code), ("Message", cluster.message)) if value}
    status = {"State": cluster.state, "StateChangeReason": change, "Timeline": {"CreationDateTime": cluster.created}}
    return {"Id": cluster.id, "Name": cluster.name, "Status": status}


def _described(work: Work) -> dict[str, Any]:
    timeline = {"CreationDateTime": work.created, "StartDateTime": work.started, "EndDateTime": work.ended}
    status: dict[str, Any] = {
        "State": work.state,
        "StateChangeReason": {},
        "Timeline": {key: value for key, value in timeline.items() if value},
    }
    if work.state == "FAILED":
        status["FailureDetails"] = {"Reason": "Unknown Error.", "Message": work.reason}
    step = {"Id": work.id, "Name": work.name, "ActionOnFailure": work.parameters["ActionOnFailure"], "Status": status}
    return {**step, "Config": {"Jar": "command-runner.jar", "Args": work.parameters["HadoopJarStep"]["Args"]}}
