"""Item 8: the guide says what there is, and the policies allow every call the launcher makes, and no other service."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import signal
import time
from typing import TYPE_CHECKING, Any

import click
import pytest

from jobs import launch
from jobs.emr import clients as emr_clients
from tests.emr.cloud import runs
from tests.emr.cloud.ec2 import SHARED
from tests.emr.cloud.machines import ROOT
from tests.emr.cloud.scripted import Outcome
from tests.emr.conftest import SCORE, TARGETS, Desk

if TYPE_CHECKING:
    from pathlib import Path

IAM = ROOT / "docs" / "iam"
GUIDE = ROOT / "docs" / "emr.md"
# what the placeholders stand for in the tests
PLACES = {
    "STAGING_BUCKET": "staging",
    "STAGING_PREFIX": "nightly",
    "MODEL_BUCKET": "data",
    "MODEL_PREFIX": "model",
    "LOG_BUCKET": "logs",
    "REGION": "us-east-1",
    "ACCOUNT": "123456789012",
    "VIRTUAL_CLUSTER_ID": runs.VIRTUAL_CLUSTER,
    "CLUSTER_ID": SHARED,
    "APPLICATION_ID": runs.APPLICATION,
    "EMR_SERVICE_ROLE": "EMR_DefaultRole",
    "EMR_EC2_ROLE": "EMR_EC2_DefaultRole",
    "JOB_ROLE": "nightly",
}
PREFIXES = {
    "s3": "s3",
    "emr": "elasticmapreduce",
    "emr-serverless": "emr-serverless",
    "emr-containers": "emr-containers",
}
S3_ACTIONS = {"HeadObject": "GetObject", "ListObjectsV2": "ListBucket"}


# checked by AWS beside RunJobFlow, whose parameter stands before it; no call of their own
ASKS = {"Tags": "elasticmapreduce:AddTags", "AutoTerminationPolicy": "elasticmapreduce:PutAutoTerminationPolicy"}


def statements(name: str) -> list[dict[str, Any]]:
    text = (IAM / f"{name}.json").read_text()
    for placeholder, value in PLACES.items():
        text = text.replace(placeholder, value)
    found: list[dict[str, Any]] = json.loads(text)["Statement"]
    return found


def resource(service: str, operation: str, p: dict[str, Any]) -> str:
    """The resource that IAM checks a call against, after the services' authorization reference."""
    if service == "s3":
        whole = f"arn:aws:s3:::{p['Bucket']}"
        return whole if operation == "ListObjectsV2" else f"{whole}/{p['Key']}"
    if service == "emr":
        cluster = p.get("JobFlowId") or p.get("ClusterId") or "".join(p.get("JobFlowIds", ()))
        return f"arn:aws:elasticmapreduce:us-east-1:123456789012:cluster/{cluster}" if cluster else "*"
    kind, owner = (
        ("applications", "applicationId") if service == "emr-serverless" else ("virtualclusters", "virtualClusterId")
    )
    base = f"arn:aws:{service}:us-east-1:123456789012:/{kind}/{p[owner]}"
    run = p.get("jobRunId") or p.get("id")
    return f"{base}/jobruns/{run}" if run else base


def conditions_hold(statement: dict[str, Any], p: dict[str, Any]) -> bool:
    wanted = statement.get("Condition", {})
    prefixes = wanted.get("StringLike", {}).get("s3:prefix")
    role = wanted.get("StringEquals", {}).get("emr-containers:ExecutionRoleArn")
    return (not prefixes or any(fnmatch.fnmatchcase(p.get("Prefix", ""), each) for each in prefixes)) and (
        not role or p.get("executionRoleArn") == role
    )


def allowed(policy: list[dict[str, Any]], service: str, operation: str, p: dict[str, Any]) -> bool:
    action = f"{PREFIXES[service]}:{S3_ACTIONS.get(operation, operation)}"
    return any(
        action in each["Action"]
        and any(fnmatch.fnmatchcase(resource(service, operation, p), pattern) for pattern in each["Resource"])
        and conditions_hold(each, p)
        for each in policy
    )


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, Any]]]:
    """Every call of the launcher, from botocore's own events."""
    heard: list[tuple[str, str, dict[str, Any]]] = []
    plain = emr_clients.Clients.__init__

    def listening(self: emr_clients.Clients, **given: Any) -> None:
        plain(self, **given)

        def note(params: dict[str, Any], event_name: str, **more: Any) -> None:
            service, operation = event_name.split(".")[1:]
            heard.append((service, operation, dict(params)))

        self.events.register("provide-client-params.*.*", note)

    monkeypatch.setattr(emr_clients.Clients, "__init__", listening)
    return heard


def leave_a_claim(desk: Desk, key: str) -> None:
    """What a launcher leaves that died before it sent anything: the next one looks for the job by its name."""
    record = {**desk.record(key), "attempt": 2, "ids": {}, "ended": "", "created": 1700000000.0}
    where = f"nightly/runs/{key}/2/record.json"
    desk.s3.client().put_object(Bucket="staging", Key=where, Body=json.dumps(record).encode())


@pytest.mark.parametrize("target", list(TARGETS))
def test_the_policy_allows_every_call_the_launcher_makes(
    desk: Desk, target: str, calls: list[tuple[str, str, dict[str, Any]]]
) -> None:
    """A run, a lost answer, a crash, a failure, a look from elsewhere, a cancel: all that the launcher knows to do."""
    send = {"step": "AddJobFlowSteps", "cluster": "RunJobFlow"}.get(target, "StartJobRun")
    desk.cloud.faults.next(send, "drop")
    key = desk.run(target).key
    for command in ("status", "logs", "attach"):
        desk.emr(command, key)
    leave_a_claim(desk, key)
    desk.machines.outcome = Outcome(seconds=0.1, exit_code=1, reports=False)
    desk.run(target)
    desk.machines.outcome = Outcome(seconds=60)
    key = desk.emr("run", *TARGETS[target], "--detach", "--", *SCORE).key
    while desk.emr("status", key).summary["phase"] != "running":
        time.sleep(0.2)
    desk.emr("cancel", key)
    policy = statements(f"launcher-{target}")
    made = {(service, operation): p for service, operation, p in calls if not allowed(policy, service, operation, p)}
    assert made == {}, "calls that docs/iam does not allow"
    used = {f"{PREFIXES[service]}:{S3_ACTIONS.get(operation, operation)}" for service, operation, _ in calls}
    granted = {str(action) for statement in policy for action in statement["Action"]}
    beside = {"iam:PassRole", "emr-serverless:TagResource", "emr-containers:TagResource", *ASKS.values()}
    assert granted - beside == used, "no right that is not used"


def test_the_policy_allows_what_the_guides_cluster_asks_for_beside() -> None:
    [example] = re.findall(r"```json\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    for name, action in ASKS.items():
        assert name in json.loads(example)
        assert allowed(statements("launcher-cluster"), "emr", action.partition(":")[2], {"JobFlowId": "j-OWN"}), name


@pytest.mark.parametrize("path", sorted(IAM.glob("*.json")), ids=lambda path: path.stem)
def test_a_policy_grants_no_wildcard_action_and_names_its_resources(path: Path) -> None:
    for each in json.loads(path.read_text())["Statement"]:
        assert each["Effect"] == "Allow"
        assert not [action for action in each["Action"] if "*" in action]
        if each["Resource"] == ["*"]:
            assert each["Sid"] == "StartAndFindClusters", "these two calls know no resource"


def test_the_guide_names_every_command_option_exit_code_and_policy() -> None:
    guide = GUIDE.read_text()
    for name, command in launch.main.commands.items():
        assert f"`{name}`" in guide or f"emr {name}" in guide, name
        for parameter in command.params:
            for option in parameter.opts if isinstance(parameter, click.Option) else ():
                assert option in guide, f"{name} {option}"
    for path in IAM.glob("*.json"):
        assert f"iam/{path.name}" in guide
    for code in range(10, 15):
        assert f"| {code} |" in guide


def test_the_commands_in_the_guide_are_ones_the_launcher_takes() -> None:
    """The cron line and the Airflow snippet too: each `submit.sh emr` command is parsed by the real options."""
    text = GUIDE.read_text().replace("\\\n", " ")
    found = re.findall(r"submit\.sh emr (\w+) ([^\n\"]*)", text)
    assert {command for command, _ in found} >= {"run", "attach", "cancel"}
    for name, rest in found:
        command = launch.main.commands[name]
        words = shlex.split(rest.split(" >>")[0].replace("\\%", "%"), comments=True)
        command.make_context(name, words)


def test_the_airflow_snippet_is_python() -> None:
    [snippet] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    compile(snippet, "snippet", "exec")


def test_the_guide_says_what_each_target_costs_to_hold() -> None:
    section = GUIDE.read_text().partition("## What each target costs to hold")[2].partition("\n## ")[0]
    for words in ("step", "cluster of its own", "Serverless", "EKS"):
        assert words in section


def test_signals_named_in_the_guide_are_the_ones_caught() -> None:
    assert {signal.SIGINT.name, signal.SIGTERM.name} <= set(re.findall(r"SIG[A-Z]+", GUIDE.read_text()))
