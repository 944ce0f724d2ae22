"""The small AWS for the launcher's tests, and a way to run the launcher against it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from jobs import launch
from tests.emr.cloud import runs
from tests.emr.cloud.ec2 import SHARED
from tests.emr.cloud.machines import ROOT
from tests.emr.cloud.s3 import S3
from tests.emr.cloud.scripted import Machines
from tests.emr.cloud.server import Cloud

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OPERATOR = {"AWS_ACCESS_KEY_ID": "AKIAOPERATORSOWNKEY1", "AWS_SECRET_ACCESS_KEY": "secret-of-the-operator"}
STAGING = "s3://staging/nightly"
TARGETS = {
    "step": ["--cluster-id", SHARED],
    "cluster": ["--cluster-spec", "cluster.json"],
    "serverless": ["--application-id", runs.APPLICATION, "--role", runs.ROLE],
    "eks": ["--virtual-cluster-id", runs.VIRTUAL_CLUSTER, "--role", runs.ROLE, "--release-label", "emr-7.10.0-latest"],
}
CLUSTER_SPEC = {
    "ReleaseLabel": "emr-7.10.0",
    "Instances": {
        "InstanceFleets": [
            {
                "InstanceFleetType": "MASTER",
                "TargetOnDemandCapacity": 1,
                "InstanceTypeConfigs": [{"InstanceType": "m5.xlarge"}],
            },
            {
                "InstanceFleetType": "CORE",
                "TargetSpotCapacity": 2,
                "InstanceTypeConfigs": [{"InstanceType": "m5.xlarge"}, {"InstanceType": "m5a.xlarge"}],
            },
        ],
    },
    "ServiceRole": "EMR_DefaultRole",
    "JobFlowRole": "EMR_EC2_DefaultRole",
    "BootstrapActions": [{"Name": "tools", "ScriptBootstrapAction": {"Path": "s3://data/tools.sh"}}],
    "AutoTerminationPolicy": {"IdleTimeout": 600},
    "Tags": [{"Key": "team", "Value": "pricing"}],
}
SCORE = ["score", "--model", "s3://data/model", "--input", "s3://data/in/{run_date}", "--schema", "schema.json"]
SCORE += ["--policy", "policy.json", "--output", "s3://data/actions", "--run-date", "2026-11-22"]
FAST = ["--poll-seconds", "0.1", "--log-wait", "3"]


@dataclass
class Said:
    """What one invocation of the launcher did."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def summary(self) -> Any:
        return json.loads(self.stdout)

    @property
    def key(self) -> str:
        return self.stderr.partition("run key ")[2].split()[0]


@dataclass
class Started:
    """The launcher as a process; `heard` are the lines of its stderr so far."""

    process: subprocess.Popen[str]
    heard: list[str] = field(default_factory=list)

    def hear(self, words: str) -> str:
        """Reads stderr until a line has these words, and returns it."""
        assert self.process.stderr
        for line in self.process.stderr:
            self.heard.append(line)
            if words in line:
                return line
        raise AssertionError(f"never heard {words!r}:\n{''.join(self.heard)}")

    def until(self, condition: Callable[[], bool]) -> None:
        """Polls; fails if the launcher ends before."""
        while not condition():
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.05)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, timeout: float = 60) -> Said:
        stdout, stderr = self.process.communicate(timeout=timeout)
        return Said(self.process.returncode, stdout, "".join(self.heard) + stderr)


@dataclass
class Desk:
    """An operator's folder and environment, with the launcher at hand."""

    cloud: Cloud
    s3: S3
    machines: Machines
    environment: dict[str, str] = field(default_factory=dict)

    def emr(self, command: str, *words: str, fast: bool = True) -> Said:
        """Runs `submit.sh emr COMMAND …` in this process."""
        arguments = [command, "--staging", STAGING, *(FAST if fast else ()), *words]
        result = CliRunner(mix_stderr=False).invoke(launch.main, arguments, catch_exceptions=False)
        return Said(result.exit_code, result.stdout, result.stderr)

    def start(self, command: str, *words: str, pace: list[str] = FAST) -> Started:
        """Starts `./submit.sh emr COMMAND …` as a process of its own."""
        arguments = [str(ROOT / "submit.sh"), "emr", command, "--staging", STAGING, *pace, *words]
        return Started(
            subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)
        )

    def run(self, target: str, *options: str, command: list[str] = SCORE) -> Said:
        return self.emr("run", *TARGETS[target], *options, "--", *command)

    def record(self, key: str, attempt: int = 1) -> Any:
        return json.loads(self.s3.text("staging", f"nightly/runs/{key}/{attempt}/record.json"))


def save_model(s3: S3, *, spark: str = "3.5.5") -> None:
    """Only what a launcher looks at: the metadata of a saved pipeline."""
    metadata = json.dumps({"class": "org.apache.spark.ml.PipelineModel", "sparkVersion": spark}) + "\n"
    s3.client().put_object(Bucket="data", Key="model/metadata/part-00000", Body=metadata.encode())


def aws_environment(s3: S3, cloud: Cloud) -> dict[str, str]:
    """The operator's environment: their credentials, and where the services are."""
    places = {f"AWS_ENDPOINT_URL_{name}": cloud.url for name in ("EMR", "EMR_SERVERLESS", "EMR_CONTAINERS")}
    return {**OPERATOR, "AWS_ENDPOINT_URL_S3": s3.url, "AWS_DEFAULT_REGION": "us-east-1", **places}


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    server = S3().start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of built archives for all tests: pip runs once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def s3(s3_server: S3) -> S3:
    """Empty buckets: logs, data with a model, staging."""
    client = s3_server.client()
    for bucket in ("data", "staging", "logs"):
        client.create_bucket(Bucket=bucket)
        if old := [{"Key": key} for key in s3_server.keys(bucket)]:
            client.delete_objects(Bucket=bucket, Delete={"Objects": old})
    save_model(s3_server)
    s3_server.puts.clear()
    s3_server.denies = s3_server.damages = lambda key: False
    return s3_server


@pytest.fixture
def desk(s3: S3, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """The launcher before a small AWS whose machines run no Spark."""
    machines = Machines(s3)
    cloud = Cloud(s3, yarn=machines, containers=machines).start()  # type: ignore[arg-type]
    (tmp_path / "schema.json").write_text('{"fields": [{"name": "ID", "type": "integer"}]}')
    (tmp_path / "policy.json").write_text('{"actions": [], "otherwise": "none", "columns": {"ID": "ID"}}')
    (tmp_path / "cluster.json").write_text(json.dumps(CLUSTER_SPEC))
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {**aws_environment(s3, cloud), "XDG_CACHE_HOME": str(cache)}.items():
        monkeypatch.setenv(name, value)
    yield Desk(cloud, s3, machines)
    cloud.stop()
    assert cloud.refused == [], "the launcher sent what the service's model does not allow"
