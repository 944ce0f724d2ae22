"""What must stay true of `jobs/emr`: no Spark where it runs; and it talks to an EMR that is not of our making."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from jobs.emr import cluster, release, targets
from jobs.emr.clients import Clients
from tests.emr.cloud.machines import ROOT
from tests.emr.conftest import CLUSTER_SPEC
from tests.emr.test_1_targets import a_job

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_the_launcher_imports_no_pyspark_and_needs_no_java() -> None:
    script = "import sys, jobs.launch; print([name for name in sys.modules if name.startswith(('pyspark', 'py4j'))])"
    environment = {"PATH": "/nowhere", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_command_has_help_without_aws() -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    for command in ("", "run", "plan", "attach", "status", "logs", "cancel"):
        words = [sys.executable, "-m", "jobs.launch", *([command] if command else []), "--help"]
        subprocess.run(words, env=environment, capture_output=True, check=True, cwd=ROOT)


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """moto's EMR: a second implementation, not ours. It knows clusters and steps, but no CancelSteps and no life."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in (("ENDPOINT_URL", f"http://{host}:{port}"), ("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "y")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    yield boto3.client("emr")
    server.stop()


def test_a_cluster_of_its_own_on_motos_emr(moto: Any) -> None:
    spec = {name: value for name, value in CLUSTER_SPEC.items() if name != "AutoTerminationPolicy"}
    own = cluster.Cluster(cluster.Settings(spec, "s3://logs"), clients=Clients())
    job = a_job()
    ids = own.send(own.submission(job))
    assert own.find(job.name, since=0) == ids
    assert own.find("another", since=0) is None
    assert not own.snapshot(ids).ended
    own.cancel(ids)
    assert moto.describe_cluster(ClusterId=ids["cluster_id"])["Cluster"]["Status"]["State"] == "TERMINATED"
    assert own.snapshot(ids).ended


def test_a_step_on_motos_emr(moto: Any) -> None:
    instances = {"MasterInstanceType": "m5.xlarge", "InstanceCount": 1, "KeepJobFlowAliveWhenNoSteps": True}
    cluster_id = moto.run_job_flow(Name="shared", ReleaseLabel="emr-7.10.0", Instances=instances)["JobFlowId"]
    step = targets.make("step", {"cluster_id": cluster_id}, clients=Clients())
    assert step.release() == release.from_label("emr-7.10.0")
    job = a_job()
    ids = step.send(step.submission(job))
    assert step.find(job.name, since=0) == ids
    assert step.snapshot(ids).phase in ("waiting", "running")
