"""The whole way: `submit.sh emr run` → API → uploaded zip → real spark-submit → CSV in S3 → summary and exit code.

EMR on EC2 runs on a real YARN in cluster mode; Serverless and EKS run the driver in a folder of its own with local Spark.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.emr.cloud.ec2 import SHARED
from tests.emr.cloud.machines import ROOT, SECRETS, Containers, Yarn
from tests.emr.cloud.server import Cloud
from tests.emr.conftest import CLUSTER_SPEC, OPERATOR, TARGETS, Desk, Said, Started, aws_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.emr.cloud.s3 import S3

HOUSING = ROOT / "examples" / "housing"
PATIENCE = 300  # a job takes 20 to 30 s on two free cores
pytestmark = [
    pytest.mark.skipif(
        os.environ.get("NIGHTLY_SPARK", "3.5") != "3.5", reason="the S3 and YARN jars of these machines are EMR 7's"
    ),
    pytest.mark.timeout(400),
]


@pytest.fixture(scope="module")
def yarn(s3_server: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yarn]:
    """One real YARN for all the tests here."""
    server = Yarn(s3_server, tmp_path_factory.mktemp("yarn"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def office(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Desk]:
    """The launcher before a small AWS with real machines, and the housing example in S3."""
    needs_yarn = "yarn" in request.fixturenames
    machines: Any = request.getfixturevalue("yarn") if needs_yarn else None
    cloud = Cloud(s3, yarn=machines, containers=Containers(s3, tmp_path / "containers")).start()
    for path in HOUSING.glob("model/**/*"):
        if path.is_file():
            s3.client().upload_file(str(path), "data", str(path.relative_to(HOUSING)))
    s3.client().upload_file(str(HOUSING / "input.csv"), "data", "in/2026-11-22/input.csv")
    (tmp_path / "cluster.json").write_text(json.dumps(CLUSTER_SPEC))
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in aws_environment(s3, cloud).items():
        monkeypatch.setenv(name, value)
    yield Desk(cloud, s3, machines)
    cloud.stop()
    assert cloud.refused == []


def score(*more: str) -> list[str]:
    words = ["score", "--model", "s3://data/model", "--input", "s3://data/in/{run_date}/", "--run-date", "2026-11-22"]
    words += ["--schema", str(ROOT / "schemas" / "housing.json"), "--policy", str(HOUSING / "policy.json")]
    return [*words, "--output", "s3://data/actions", *more]


def launch(office: Desk, target: str, *options: str, command: list[str]) -> Started:
    return office.start("run", *TARGETS[target], *options, "--", *command, pace=["--poll-seconds", "1"])


def published(office: Desk) -> list[str]:
    return office.s3.text("data", "actions/2026-11-22/actions.csv").splitlines()


@pytest.mark.parametrize("target", ["serverless", "eks"])
def test_the_same_job_runs_on(office: Desk, target: str) -> None:
    said = launch(office, target, command=score("--max-rejects", "10")).end(timeout=PATIENCE)
    assert said.exit_code == 0, said.stderr
    assert said.summary["status"] == "published"
    assert len(published(office)) == said.summary["rows_published"] + 1
    assert "Spark 3.5" in said.stderr, "the driver's own progress lines are shown"
    assert_no_credential_is_left(office, said)


@pytest.mark.usefixtures("yarn")
def test_a_step_runs_on_yarn_in_cluster_mode(office: Desk) -> None:
    said = launch(office, "step", command=score("--max-rejects", "10")).end(timeout=PATIENCE)
    assert said.exit_code == 0, said.stderr
    assert said.summary["status"] == "published"
    assert len(published(office)) == said.summary["rows_published"] + 1
    assert office.cloud.ec2.clusters[SHARED].state == "WAITING"
    assert office.cloud.sent("TerminateJobFlows") == []


@pytest.mark.usefixtures("yarn")
def test_a_refused_run_on_yarn_has_the_jobs_exit_code_and_runs_once(office: Desk) -> None:
    """On a cluster of its own, which is gone afterwards; YARN itself only says that the driver failed."""
    started = launch(office, "cluster", command=score("--max-rejects", "0"))
    said = started.end(timeout=PATIENCE)
    assert said.exit_code == 3, said.stderr
    assert said.summary["status"] == "refused"
    assert "rejected" in said.stderr
    assert published_nothing(office)
    [own] = [cluster for name, cluster in office.cloud.ec2.clusters.items() if name != SHARED]
    assert own.state in ("TERMINATING", "TERMINATED")
    [work] = own.steps.values()
    work.join()
    logs = [key for key in office.s3.keys("staging", "nightly/logs/") if "/containers/" in key]
    assert {key.split("/")[5].split("_")[-2] for key in logs} == {"01"}, "YARN made no second attempt"
    text = office.emr("logs", said.key).stdout
    assert "rejected" in text, "the driver's words are in YARN's first container, and `logs` finds them"


@pytest.mark.usefixtures("yarn")
def test_cancelling_a_step_stops_the_driver_in_yarn_too(office: Desk) -> None:
    """A cancelled step ends spark-submit only: the driver would live on in YARN, and publish."""
    started = launch(office, "step", command=score("--max-rejects", "10"))
    started.hear(" RUNNING")
    [work] = office.cloud.ec2.clusters[SHARED].steps.values()
    wait_for(lambda: b"state: RUNNING" in work.process.output()["stderr"])  # type: ignore[union-attr]
    started.signal(signal.SIGINT)
    said = started.end(timeout=PATIENCE)
    assert said.exit_code == 11, said.stderr
    [application] = set(re.findall(r"application_\d+_\d+", work.process.output()["stderr"].decode()))  # type: ignore[union-attr]
    asked = office.machines.run("ask", ["yarn", "application", "-status", application])
    asked.process.wait(timeout=60)  # type: ignore[attr-defined]
    assert "State : KILLED" in asked.output()["stdout"].decode()
    assert published_nothing(office)
    assert office.cloud.ec2.clusters[SHARED].state == "WAITING"


def assert_no_credential_is_left(office: Desk, said: Said) -> None:
    """In no argument, no record, no artefact, no log, no line: neither the operator's nor the role's."""
    everything = [said.stdout, said.stderr, repr(office.cloud.requests)]
    for bucket in ("staging", "data"):
        for key in office.s3.keys(bucket):
            body = office.s3.client().get_object(Bucket=bucket, Key=key)["Body"].read()
            everything.append((gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode("latin-1"))
    for secret in (*OPERATOR.values(), *SECRETS.values()):
        assert not any(secret in text for text in everything)


def published_nothing(office: Desk) -> bool:
    return not any(key.endswith(("actions.csv", "latest.json")) for key in office.s3.keys("data", "actions/"))


def wait_for(condition: Any, *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.1)
