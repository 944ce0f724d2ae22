"""Item 1: four targets, and a plan that is exactly what is sent."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from jobs.emr import cluster, eks, release, request, serverless, step, targets
from jobs.emr.clients import Clients
from jobs.emr.request import Call, Job
from jobs.errors import UsageError
from tests.emr.cloud import protocol, runs
from tests.emr.conftest import CLUSTER_SPEC, SCORE, TARGETS, Desk

if TYPE_CHECKING:
    from pathlib import Path

SUBMISSIONS = {"step": "AddJobFlowSteps", "cluster": "RunJobFlow", "serverless": "StartJobRun", "eks": "StartJobRun"}
SETTINGS: dict[str, dict[str, Any]] = {
    "step": {"cluster_id": "j-ABC", "log_uri": "s3://logs"},
    "cluster": {"spec": CLUSTER_SPEC, "log_uri": "s3://logs"},
    "serverless": {"application_id": runs.APPLICATION, "role": runs.ROLE, "log_uri": "s3://logs"},
    "eks": {
        "virtual_cluster_id": runs.VIRTUAL_CLUSTER,
        "role": runs.ROLE,
        "log_uri": "s3://logs",
        "release_label": "emr-7.10.0-latest",
    },
}


def a_job(**changes: object) -> Job:
    given: dict[str, object] = {
        "name": "nightly-actions-score-20261122-0123456789abcdef-1",
        "entry": "s3://staging/artefacts/aa/score.py",
        "arguments": ("--model", "s3://data/model", "--input", "s3://data/with space/in.csv"),
        "py_files": "s3://staging/artefacts/bb/nightly-actions.zip",
        "archives": ("s3://staging/artefacts/cc/deps.tar.gz", "s3://staging/artefacts/dd/extras.tar.gz"),
        "release": release.from_label("emr-7.10.0"),
        "tags": {"nightly-actions": "score-20261122-0123456789abcdef"},
    }
    return Job(**{**given, **changes})  # type: ignore[arg-type]


def submission(kind: str, job: Job) -> Call:
    return targets.make(kind, SETTINGS[kind], clients=Clients(region="us-east-1")).submission(job)


@pytest.mark.parametrize("kind", list(SETTINGS))
def test_every_request_is_one_the_services_model_allows(kind: str) -> None:
    call = submission(kind, a_job(spark=("--conf", "spark.executor.memory=4g"), timeout_minutes=90))
    shape = protocol.model(call.service).operation_model(call.operation).input_shape
    assert shape
    assert protocol.problems(call.parameters, shape) == []


@pytest.mark.parametrize("target", list(TARGETS))
def test_the_plan_is_exactly_what_run_sends(desk: Desk, target: str) -> None:
    planned = desk.emr("plan", *TARGETS[target], "--", *SCORE)
    assert desk.s3.puts == [], "a plan writes nothing"
    assert desk.run(target).exit_code == 0
    [call] = json.loads(planned.stdout)
    assert call["operation"] == SUBMISSIONS[target]
    assert desk.cloud.sent(SUBMISSIONS[target]) == [call["parameters"]]


DRIVER_ENV = {
    "step": "spark.yarn.appMasterEnv.",
    "cluster": "spark.yarn.appMasterEnv.",
    "serverless": "spark.emr-serverless.driverEnv.",
    "eks": "spark.kubernetes.driverEnv.",
}


@pytest.mark.parametrize("target", list(TARGETS))
@pytest.mark.parametrize(
    ("environment", "options", "region"),
    [
        pytest.param({"AWS_REGION": "eu-west-1"}, [], "eu-west-1", id="AWS_REGION"),
        pytest.param({"AWS_DEFAULT_REGION": "eu-west-1"}, [], "eu-west-1", id="AWS_DEFAULT_REGION"),
        pytest.param({"AWS_REGION": "a-1", "AWS_DEFAULT_REGION": "b-1"}, [], "a-1", id="both, as the job takes them"),
        pytest.param({"AWS_REGION": "a-1"}, ["--region", "cn-north-1"], "cn-north-1", id="the option wins"),
    ],
)
def test_the_job_is_told_the_region_that_the_launcher_calls(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    environment: dict[str, str],
    options: list[str],
    region: str,
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    planned = desk.emr("plan", *TARGETS[target], *options, "--", *SCORE)
    assert planned.exit_code == 0, planned.stderr
    words = re.split(r'[\s",]+', planned.stdout)
    assert f"{DRIVER_ENV[target]}AWS_REGION={region}" in words
    assert f"spark.executorEnv.AWS_REGION={region}" in words
    assert {request.region for request in desk.cloud.requests} <= {region}


def test_a_step_runs_in_cluster_mode_and_only_once() -> None:
    call = submission("step", a_job())
    [sent] = call.parameters["Steps"]
    args = sent["HadoopJarStep"]["Args"]
    assert sent["HadoopJarStep"]["Jar"] == "command-runner.jar"
    assert args[:5] == ["spark-submit", "--master", "yarn", "--deploy-mode", "cluster"]
    assert "spark.yarn.maxAppAttempts=1" in args
    assert args[-5:] == ["s3://staging/artefacts/aa/score.py", *a_job().arguments]
    assert sent["ActionOnFailure"] == "CONTINUE", "a cluster that others use outlives our failure"


@pytest.mark.parametrize("kind", ["step", "cluster"])
@pytest.mark.parametrize(
    ("spark", "more"),
    [
        pytest.param(["--conf", "spark.executor.memory=4g"], "", id="none"),
        pytest.param(["--conf", "spark.yarn.tags=team,night"], ",team,night", id="as a setting"),
        pytest.param(["--conf=spark.yarn.tags=team"], ",team", id="in one word"),
    ],
)
def test_tags_of_the_callers_own_stand_behind_the_one_a_driver_is_found_by(
    kind: str, spark: list[str], more: str
) -> None:
    args = submission(kind, a_job(spark=tuple(spark))).parameters["Steps"][0]["HadoopJarStep"]["Args"]
    settings = [word.removeprefix("--conf=") for word in args]
    assert [word for word in settings if word.startswith("spark.yarn.tags=")][-1] == (
        f"spark.yarn.tags={a_job().name}{more}"
    ), "of several the last one counts"


@pytest.mark.parametrize("kind", ["cluster", "serverless", "eks"])
def test_the_command_that_stops_a_job_calls_the_region_and_profile_of_the_launcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (tmp_path / "config").write_text("[profile ops]\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    target = targets.make(kind, SETTINGS[kind], clients=Clients(region="eu-west-1", profile="ops"))
    command = target.clean_up_command({"cluster_id": "j-1", "job_run_id": "00r1"}) or ""
    assert shlex.split(command)[-4:] == ["--region", "eu-west-1", "--profile", "ops"]


def test_packages_are_unpacked_and_on_the_path_of_driver_and_executors() -> None:
    words = submission("serverless", a_job()).parameters["jobDriver"]["sparkSubmit"]["sparkSubmitParameters"]
    archives = "s3://staging/artefacts/cc/deps.tar.gz#deps,s3://staging/artefacts/dd/extras.tar.gz#extras"
    assert f"spark.archives={archives}" in words
    assert "spark.emr-serverless.driverEnv.PYTHONPATH=./deps:./extras" in words
    assert "spark.executorEnv.PYTHONPATH=./deps:./extras" in words


def test_a_release_whose_python_must_be_named_names_it_for_driver_and_executors() -> None:
    args = submission("step", a_job(release=release.from_label("emr-spark-8.0.0"))).parameters["Steps"][0]
    named = [word for word in args["HadoopJarStep"]["Args"] if "PYSPARK_PYTHON" in word]
    assert named == ["spark.yarn.appMasterEnv.PYSPARK_PYTHON=python3.11", "spark.executorEnv.PYSPARK_PYTHON=python3.11"]
    assert "PYSPARK_PYTHON" not in repr(submission("step", a_job()).parameters), (
        "EMR 7's default is the one we build for"
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param(
            ["--conf", "spark.archives=s3://a/b.tar.gz#deps"], "--conf spark.archives=s3://a/b.tar.gz#deps", id="plain"
        ),
        pytest.param(["--conf", "a=-Dx=1 -Dy=2"], '--conf "a=-Dx=1 -Dy=2"', id="a space"),
        pytest.param(["--conf", 'a={"b": 1}'], '--conf "a={\\"b\\": 1}"', id="quotes"),
    ],
)
def test_settings_are_quoted_only_where_they_must_be(words: list[str], text: str) -> None:
    assert request.joined(words) == text
    assert shlex.split(text) == words


def test_a_cluster_of_its_own_takes_the_settings_file_and_ends_with_the_run() -> None:
    sent = submission("cluster", a_job()).parameters
    for name in ("Instances", "BootstrapActions", "AutoTerminationPolicy", "ServiceRole", "ReleaseLabel"):
        given = CLUSTER_SPEC[name]
        assert sent[name] == ({**given, "KeepJobFlowAliveWhenNoSteps": False} if name == "Instances" else given)  # type: ignore[dict-item]
    assert {"Key": "team", "Value": "pricing"} in sent["Tags"]
    assert {"Key": "nightly-actions", "Value": "score-20261122-0123456789abcdef"} in sent["Tags"]
    assert sent["LogUri"] == "s3://logs"
    assert sent["Steps"][0]["ActionOnFailure"] == "TERMINATE_CLUSTER"


def primaries(count: int) -> dict[str, Any]:
    return {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": count}


def test_instance_groups_pass_too(tmp_path: Path) -> None:
    groups = {"InstanceGroups": [primaries(1), {**primaries(3), "InstanceRole": "CORE"}]}
    path = tmp_path / "cluster.json"
    path.write_text(json.dumps({"ReleaseLabel": "emr-7.10.0", "Instances": groups}))
    settings = cluster.Settings(cluster.read_spec(str(path)), "s3://logs")
    sent = cluster.Cluster(settings, clients=Clients(region="us-east-1")).submission(a_job()).parameters
    assert sent["Instances"]["InstanceGroups"] == groups["InstanceGroups"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param({"Instances": {}}, "ReleaseLabel", id="no release"),
        pytest.param({"ReleaseLabel": "emr-7.10.0", "Instances": {}, "Steps": []}, "Steps", id="steps of its own"),
        pytest.param(
            {"ReleaseLabel": "emr-7.10.0", "Instances": {"KeepJobFlowAliveWhenNoSteps": True}},
            "ends with it",
            id="kept",
        ),
        pytest.param(
            {"ReleaseLabel": "emr-7.10.0", "Instances": {"TerminationProtected": True}}, "ends with it", id="protected"
        ),
        pytest.param(
            {"ReleaseLabel": "emr-7.10.0", "Instances": {"InstanceGroups": [primaries(3)]}},
            "3 primary nodes",
            id="several primary nodes in a group, which EMR protects by itself",
        ),
        pytest.param(
            {
                "ReleaseLabel": "emr-7.10.0",
                "Instances": {
                    "InstanceFleets": [
                        {"InstanceFleetType": "MASTER", "TargetOnDemandCapacity": 1, "TargetSpotCapacity": 2}
                    ]
                },
            },
            "3 primary nodes",
            id="several primary nodes in a fleet",
        ),
        pytest.param([], "ReleaseLabel", id="not an object"),
        pytest.param(
            {"ReleaseLabel": 7, "Instances": {}}, "type for parameter ReleaseLabel, value: 7", id="a number as release"
        ),
        pytest.param({"ReleaseLabel": "emr-7.10.0", "Instances": {}, "Tags": ["a"]}, "Tags\\[0\\]", id="a tag of text"),
        pytest.param({"ReleaseLabel": "emr-7.10.0", "Instances": {}, "LogUri": None}, "LogUri", id="no log folder"),
        pytest.param({"ReleaseLabel": "emr-7.10.0", "Instances": {"Fleets": []}}, "Fleets", id="an unknown name"),
    ],
)
def test_a_settings_file_that_cannot_end_with_the_run_is_refused(tmp_path: Path, spec: object, message: str) -> None:
    path = tmp_path / "cluster.json"
    path.write_text(json.dumps(spec))
    with pytest.raises(UsageError, match=message) as told:
        cluster.read_spec(str(path))
    assert "\n" not in str(told.value)


def test_a_tag_without_a_name_is_left_to_the_service(tmp_path: Path) -> None:
    path = tmp_path / "cluster.json"
    path.write_text(json.dumps({**CLUSTER_SPEC, "Tags": [{"Value": "pricing"}]}))
    settings = cluster.Settings(cluster.read_spec(str(path)), "s3://logs")
    sent = cluster.Cluster(settings, clients=Clients(region="us-east-1")).submission(a_job()).parameters
    assert sent["Tags"][0] == {"Value": "pricing"}


def test_what_is_longer_than_a_service_takes_is_refused_before_it_is_sent() -> None:
    many = tuple(word for i in range(600) for word in ("--input", f"s3://data/in/{i}.csv"))
    with pytest.raises(UsageError, match="10240"):
        submission("step", a_job(arguments=many))
    with pytest.raises(UsageError, match="shorten --staging"):
        submission("eks", a_job(entry="s3://staging/" + "x" * 250))


@pytest.mark.parametrize(
    "options",
    [
        pytest.param([], id="none"),
        pytest.param([*TARGETS["step"], *TARGETS["serverless"]], id="two"),
        pytest.param(["--application-id", runs.APPLICATION], id="no role"),
        pytest.param(["--virtual-cluster-id", runs.VIRTUAL_CLUSTER, "--role", runs.ROLE], id="no release"),
    ],
)
def test_exactly_one_target_with_what_it_needs(desk: Desk, options: list[str]) -> None:
    said = desk.emr("run", *options, "--", *SCORE)
    assert said.exit_code == 2
    assert desk.cloud.requests == []


def test_a_timeout_is_kept_by_serverless_itself() -> None:
    assert submission("serverless", a_job(timeout_minutes=90)).parameters["executionTimeoutMinutes"] == 90
    assert "executionTimeoutMinutes" not in submission("serverless", a_job()).parameters


@pytest.mark.parametrize("target", ["step", "cluster", "eks"])
def test_a_timeout_that_nobody_would_keep_is_refused(desk: Desk, target: str) -> None:
    said = desk.run(target, "--timeout", "90", "--detach")
    assert said.exit_code == 2
    assert said.stderr.startswith("emr: --timeout is kept by this launcher, which --detach ends")
    assert desk.cloud.requests == []
    assert desk.s3.puts == []


def test_of_a_detached_job_serverless_keeps_the_timeout(desk: Desk) -> None:
    assert desk.run("serverless", "--timeout", "90", "--detach").exit_code == 0
    [sent] = desk.cloud.sent("StartJobRun")
    assert sent["executionTimeoutMinutes"] == 90


def test_every_state_the_models_know_has_a_meaning_here() -> None:
    def states(service: str, operation: str, *path: str) -> set[str]:
        shape: Any = protocol.model(service).operation_model(operation).output_shape
        for name in path:
            shape = shape.members[name]
        return set(shape.enum)

    assert states("emr", "DescribeStep", "Step", "Status", "State") == step.PHASES.keys()
    assert states("emr-serverless", "GetJobRun", "jobRun", "state") == serverless.PHASES.keys()
    assert states("emr-containers", "DescribeJobRun", "jobRun", "state") == eks.PHASES.keys()


def test_a_terminated_cluster_is_refused_with_its_reason(desk: Desk) -> None:
    desk.cloud.ec2.clusters[TARGETS["step"][1]].end("TERMINATED", "USER_REQUEST", "Terminated by user request")
    said = desk.run("step")
    assert said.exit_code == 10
    assert "is TERMINATED (USER_REQUEST: Terminated by user request)" in said.stderr
