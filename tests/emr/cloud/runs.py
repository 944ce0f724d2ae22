"""EMR Serverless and EMR on EKS in the small AWS: job runs with a client token."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.emr.cloud.protocol import Refused
from tests.emr.cloud.work import Words, Work, put_log

if TYPE_CHECKING:
    from tests.emr.cloud.faults import Faults
    from tests.emr.cloud.machines import Containers
    from tests.emr.cloud.s3 import S3

APPLICATION, VIRTUAL_CLUSTER = "00fabcdef012", "vc0abcdef012"
ROLE = "arn:aws:iam::123456789012:role/nightly"
CREATOR = "arn:aws:iam::123456789012:user/operator"
SERVERLESS_WORDS = Words(
    ("SUBMITTED", "PENDING", "SCHEDULED"), "RUNNING", "SUCCESS", "FAILED", "CANCELLING", "CANCELLED"
)
EKS_WORDS = Words(("PENDING", "SUBMITTED"), "RUNNING", "COMPLETED", "FAILED", "CANCEL_PENDING", "CANCELLED")


class JobRuns:
    """What the two services share: runs by id, and by token."""

    words: Words
    prefix: str

    def __init__(self, s3: S3, faults: Faults, containers: Containers) -> None:
        self.s3, self.faults, self.containers = s3, faults, containers
        self.works: dict[str, Work] = {}
        self._tokens: dict[str, str] = {}
        self._numbers = itertools.count(1)

    def begin(self, parameters: dict[str, Any]) -> Work:
        token = parameters["clientToken"]
        if token in self._tokens:
            return self.works[self._tokens[token]]
        run = f"00r{next(self._numbers):09d}"
        work = Work(run, parameters.get("name", ""), parameters, self.words, self.faults, self._start, self._write_logs)
        self.works[run], self._tokens[token] = work, run
        work.begin()
        return work

    def newest_first(self, since: str) -> list[Work]:
        """The runs that were created after a moment, by the service's clock."""
        after = datetime.fromisoformat(since).timestamp()
        return [work for work in reversed(self.works.values()) if work.created >= after]

    def of(self, run: str) -> Work:
        if run not in self.works:
            raise Refused("ResourceNotFoundException", f"no job run {run}", status=404)
        return self.works[run]

    def driver(self, work: Work) -> dict[str, Any]:
        raise NotImplementedError

    def log_base(self, work: Work) -> str:
        raise NotImplementedError

    def _start(self, work: Work) -> Any:
        return self.containers.run(f"{work.id}", self.driver(work), environment_prefix=self.prefix)

    def _write_logs(self, work: Work) -> None:
        for name, body in work.process.output().items() if work.process else ():
            put_log(self.s3, f"{self.log_base(work)}/{name}.gz", body)


def log_uri(work: Work) -> str:
    monitoring = work.parameters["configurationOverrides"]["monitoringConfiguration"]
    return str(monitoring["s3MonitoringConfiguration"]["logUri"])


class Serverless(JobRuns):
    words = SERVERLESS_WORDS
    prefix = "spark.emr-serverless.driverEnv."
    release_label = "emr-7.10.0"
    architecture = "X86_64"

    def driver(self, work: Work) -> dict[str, Any]:
        return dict(work.parameters["jobDriver"]["sparkSubmit"])

    def log_base(self, work: Work) -> str:
        return f"{log_uri(work)}/applications/{APPLICATION}/jobs/{work.id}/SPARK_DRIVER"

    def handle(self, operation: str, p: dict[str, Any]) -> dict[str, Any]:
        if p["applicationId"] != APPLICATION:
            raise Refused("ResourceNotFoundException", f"Application {p['applicationId']} does not exist", status=404)
        return dict(getattr(self, f"_{operation}")(p))

    def _GetApplication(self, p: dict[str, Any]) -> dict[str, Any]:
        arn = f"arn:aws:emr-serverless:us-east-1:123456789012:/applications/{APPLICATION}"
        named = {"applicationId": APPLICATION, "arn": arn, "releaseLabel": self.release_label, "type": "Spark"}
        times = {"createdAt": 1700000000.0, "updatedAt": 1700000000.0}
        return {"application": {**named, **times, "state": "STARTED", "architecture": self.architecture}}

    def _StartJobRun(self, p: dict[str, Any]) -> dict[str, Any]:
        work = self.begin(p)
        return {"applicationId": APPLICATION, "jobRunId": work.id, "arn": self._arn(work)}

    def _GetJobRun(self, p: dict[str, Any]) -> dict[str, Any]:
        work = self.of(p["jobRunId"])
        described = {
            **self._summary(work, "jobRunId"),
            "jobDriver": work.parameters["jobDriver"],
            "configurationOverrides": work.parameters["configurationOverrides"],
        }
        if work.is_over:
            described["billedResourceUtilization"] = {"vCPUHour": 0.024, "memoryGBHour": 0.096, "storageGBHour": 0.0}
        return {"jobRun": described}

    def _ListJobRuns(self, p: dict[str, Any]) -> dict[str, Any]:
        return {"jobRuns": [self._summary(work, "id") for work in self.newest_first(p["createdAtAfter"])]}

    def _CancelJobRun(self, p: dict[str, Any]) -> dict[str, Any]:
        self.of(p["jobRunId"]).cancel()
        return {"applicationId": APPLICATION, "jobRunId": p["jobRunId"]}

    def _summary(self, work: Work, id_name: str) -> dict[str, Any]:
        times = {"createdAt": work.created, "updatedAt": work.ended or work.created}
        role = "executionRole"
        return {
            "applicationId": APPLICATION,
            id_name: work.id,
            "name": work.name,
            "arn": self._arn(work),
            "createdBy": CREATOR,
            **times,
            role: work.parameters["executionRoleArn"],
            "state": work.state,
            "stateDetails": work.reason or "-",
            "releaseLabel": self.release_label,
        }

    def _arn(self, work: Work) -> str:
        return f"arn:aws:emr-serverless:us-east-1:123456789012:/applications/{APPLICATION}/jobruns/{work.id}"


class Eks(JobRuns):
    words = EKS_WORDS
    prefix = "spark.kubernetes.driverEnv."

    def driver(self, work: Work) -> dict[str, Any]:
        return dict(work.parameters["jobDriver"]["sparkSubmitJobDriver"])

    def log_base(self, work: Work) -> str:
        pod = f"spark-{work.id}"
        return f"{log_uri(work)}/{VIRTUAL_CLUSTER}/jobs/{work.id}/containers/{pod}/{pod}-driver"

    def handle(self, operation: str, p: dict[str, Any]) -> dict[str, Any]:
        if p["virtualClusterId"] != VIRTUAL_CLUSTER:
            raise Refused("ResourceNotFoundException", f"no virtual cluster {p['virtualClusterId']}", status=404)
        return dict(getattr(self, f"_{operation}")(p))

    def _StartJobRun(self, p: dict[str, Any]) -> dict[str, Any]:
        work = self.begin(p)
        return {"id": work.id, "name": work.name, "arn": self._arn(work), "virtualClusterId": VIRTUAL_CLUSTER}

    def _DescribeJobRun(self, p: dict[str, Any]) -> dict[str, Any]:
        return {"jobRun": self._described(self.of(p["id"]))}

    def _ListJobRuns(self, p: dict[str, Any]) -> dict[str, Any]:
        runs = [self._described(work) for work in self.newest_first(p["createdAfter"])]
        return {"jobRuns": [run for run in runs if p.get("name") in (None, run["name"])]}

    def _CancelJobRun(self, p: dict[str, Any]) -> dict[str, Any]:
        self.of(p["id"]).cancel()
        return {"id": p["id"], "virtualClusterId": VIRTUAL_CLUSTER}

    def _described(self, work: Work) -> dict[str, Any]:
        described = {
            "id": work.id,
            "name": work.name,
            "virtualClusterId": VIRTUAL_CLUSTER,
            "arn": self._arn(work),
            "state": work.state,
            "clientToken": work.parameters["clientToken"],
            "createdAt": work.created,
            "jobDriver": work.parameters["jobDriver"],
        }
        if work.state == "FAILED":
            capacity = self.faults.no_capacity
            described["failureReason"] = "CLUSTER_UNAVAILABLE" if capacity else "USER_ERROR"
            described["stateDetails"] = work.reason or "the driver pod failed"
        return described

    def _arn(self, work: Work) -> str:
        base = "arn:aws:emr-containers:us-east-1:123456789012:/virtualclusters"
        return f"{base}/{VIRTUAL_CLUSTER}/jobruns/{work.id}"
