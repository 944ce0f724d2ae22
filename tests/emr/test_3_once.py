"""Item 3: one command is one job, whatever happens between the launcher and the service."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import pytest

from jobs.emr.clients import Clients
from tests.emr.cloud.ec2 import SHARED
from tests.emr.cloud.scripted import Outcome
from tests.emr.conftest import SCORE, TARGETS, Desk

SENDS = {"step": "AddJobFlowSteps", "cluster": "RunJobFlow", "serverless": "StartJobRun", "eks": "StartJobRun"}
if TYPE_CHECKING:
    from pathlib import Path

ALL = pytest.mark.parametrize("target", list(TARGETS))
EC2 = pytest.mark.parametrize("target", ["step", "cluster"])


def jobs(desk: Desk, target: str) -> int:
    """How many jobs the service has really started."""
    return len(desk.machines.started)


@ALL
def test_the_record_is_there_before_anything_is_sent(desk: Desk, target: str) -> None:
    desk.cloud.faults.next(SENDS[target], "refuse")
    said = desk.run(target)
    assert said.exit_code == 10
    record = desk.record(said.key)
    assert (record["ids"], record["ended"]) == ({}, "REFUSED")


@ALL
def test_an_answer_that_is_lost_is_not_a_second_job(desk: Desk, target: str) -> None:
    desk.cloud.faults.next(SENDS[target], "drop")
    said = desk.run(target)
    assert said.exit_code == 0, said.stderr
    assert jobs(desk, target) == 1


@ALL
def test_the_same_command_after_a_crash_finds_the_running_job_and_follows_it(desk: Desk, target: str) -> None:
    """The launcher is killed between "sent" and "answered": nobody knows the job's id."""
    desk.machines.outcome = Outcome(seconds=4)
    desk.cloud.faults.next(SENDS[target], "hang")
    first = desk.start("run", *TARGETS[target], "--", *SCORE)
    key = first.hear("run key ").split()[3]
    first.hear("files uploaded")
    while not desk.cloud.sent(SENDS[target]):
        time.sleep(0.05)
    first.signal(signal.SIGKILL)
    assert first.end().exit_code == -signal.SIGKILL
    assert desk.record(key)["ids"] == {}
    said = desk.run(target)
    assert said.exit_code == 0, said.stderr
    assert said.key == key
    assert "an earlier launcher sent this run and did not hear back; following it" in said.stderr
    assert jobs(desk, target) == 1


def test_an_unanswered_request_is_found_at_a_service_whose_clock_is_behind(desk: Desk) -> None:
    desk.cloud.faults.clock_behind = 540
    desk.cloud.faults.next("RunJobFlow", "drop")
    said = desk.run("cluster")
    assert said.exit_code == 0, said.stderr
    assert "the job was taken" in said.stderr
    assert jobs(desk, "cluster") == 1


@ALL
def test_a_later_launcher_finds_the_job_at_a_service_whose_clock_is_behind(desk: Desk, target: str) -> None:
    desk.cloud.faults.clock_behind = 540
    desk.s3.denies = lambda key: key.endswith("record.json") and bool(desk.cloud.sent(SENDS[target]))
    key = desk.run(target).key
    assert desk.record(key)["ids"] == {}
    desk.s3.denies = lambda key: False
    # listed before ours, and by that clock too created before ours was sent
    other = {"Name": "theirs", "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["true"]}}
    Clients().emr.add_job_flow_steps(JobFlowId=SHARED, Steps=[{**other, "ActionOnFailure": "CONTINUE"}])
    before = len(desk.cloud.sent(SENDS[target]))
    said = desk.run(target)
    assert said.exit_code == 0, said.stderr
    assert "an earlier launcher sent this run and did not hear back; following it" in said.stderr
    assert len(desk.cloud.sent(SENDS[target])) == before


@ALL
def test_the_same_command_while_the_job_runs_follows_it(desk: Desk, target: str) -> None:
    desk.machines.outcome = Outcome(seconds=2)
    detached = desk.emr("run", *TARGETS[target], "--detach", "--", *SCORE)
    assert detached.exit_code == 0
    assert detached.summary["key"] == detached.key
    said = desk.run(target)
    assert said.exit_code == 0
    assert "under way already" in said.stderr
    assert jobs(desk, target) == 1


@ALL
@pytest.mark.parametrize("fault", ["throttle", "500"])
def test_a_request_that_was_not_taken_is_sent_again(desk: Desk, target: str, fault: str) -> None:
    desk.cloud.faults.next(SENDS[target], fault)
    assert desk.run(target).exit_code == 0
    assert jobs(desk, target) == 1


@EC2
def test_the_two_calls_without_a_token_are_never_repeated_blindly(desk: Desk, target: str) -> None:
    """Each is preceded by a look whether the one before was taken."""
    desk.cloud.faults.next(SENDS[target], "500", "500")
    assert desk.run(target).exit_code == 0
    operations = [request.operation for request in desk.cloud.requests]
    sends = [i for i, operation in enumerate(operations) if operation == SENDS[target]]
    looks = {"step": "ListSteps", "cluster": "ListClusters"}[target]
    assert len(sends) == 3
    for before, after in zip(sends, sends[1:], strict=False):
        assert looks in operations[before + 1 : after]


@pytest.mark.parametrize("target", ["serverless", "eks"])
def test_the_client_token_comes_from_the_run_key(desk: Desk, target: str) -> None:
    said = desk.run(target)
    [sent] = desk.cloud.sent("StartJobRun")
    assert sent["clientToken"] == f"nightly-actions-{said.key}-1"


def test_the_key_is_in_the_steps_name_and_in_the_clusters_name_and_tags(desk: Desk) -> None:
    key = desk.run("step").key
    assert desk.cloud.sent("AddJobFlowSteps")[0]["Steps"][0]["Name"] == f"nightly-actions-{key}-1"
    key = desk.run("cluster").key
    assert key == desk.record(key)["key"]
    [sent] = desk.cloud.sent("RunJobFlow")
    assert sent["Name"].startswith(f"nightly-actions-{key}-")
    assert {"Key": "nightly-actions", "Value": key} in sent["Tags"]


def test_a_run_that_has_ended_can_be_sent_again_as_its_next_attempt(desk: Desk) -> None:
    desk.machines.outcome = Outcome(exit_code=3, error="too many rejects")
    first = desk.run("serverless")
    desk.machines.outcome = Outcome()
    second = desk.run("serverless")
    assert (first.exit_code, second.exit_code) == (3, 0)
    assert first.key == second.key
    tokens = [sent["clientToken"] for sent in desk.cloud.sent("StartJobRun")]
    assert tokens == [f"nightly-actions-{first.key}-1", f"nightly-actions-{first.key}-2"]


def test_another_output_date_option_or_policy_is_another_run(desk: Desk, tmp_path: Path) -> None:
    def key(*more: str) -> str:
        [call] = json.loads(desk.emr("plan", *TARGETS["step"], "--", *SCORE, *more).stdout)
        name: str = call["parameters"]["Steps"][0]["Name"]
        return name.rpartition("-")[0]

    changes = [[], ["--run-date", "2026-11-23"], ["--output", "s3://data/b"], ["--max-rejects", "5"]]
    keys = [key(*more) for more in changes]
    assert key() == keys[0]
    (tmp_path / "policy.json").write_text("{}")
    assert len({*keys, key()}) == 5


@ALL
def test_two_launchers_at_once_are_one_job(desk: Desk, target: str) -> None:
    desk.machines.outcome = Outcome(seconds=2)
    both = [desk.start("run", *TARGETS[target], "--", *SCORE) for _ in range(2)]
    ends = [launcher.end() for launcher in both]
    assert [said.exit_code for said in ends] == [0, 0], ends
    assert jobs(desk, target) == 1


def test_a_claim_whose_launcher_died_before_sending_is_taken_over(desk: Desk) -> None:
    """Nothing is found at the service, and the claim is older than any request can be."""
    said = desk.run("step")
    record = {**desk.record(said.key), "ids": {}, "ended": "", "attempt": 2, "created": 1700000000.0}
    key = f"nightly/runs/{said.key}/2/record.json"
    desk.s3.client().put_object(Bucket="staging", Key=key, Body=json.dumps(record).encode())
    again = desk.run("step")
    assert again.exit_code == 0
    assert desk.record(said.key, 2)["ids"]
    assert [sent["Steps"][0]["Name"][-2:] for sent in desk.cloud.sent("AddJobFlowSteps")] == ["-1", "-2"]


@EC2
def test_a_launcher_whose_claim_was_taken_over_meanwhile_does_not_send_again(desk: Desk, target: str) -> None:
    """Its tries and looks may take longer than another launcher leaves a claim alone."""
    desk.cloud.faults.next(SENDS[target], "500")
    started = desk.start("run", *TARGETS[target], "--", *SCORE, pace=["--poll-seconds", "1"])
    key = started.hear("run key ").split()[3]
    started.hear("no clear answer from EMR")
    where = f"nightly/runs/{key}/1/record.json"

    def claimed_by_another(at: float) -> None:
        body = json.dumps({**desk.record(key), "created": at})
        desk.s3.client().put_object(Bucket="staging", Key=where, Body=body.encode())

    claimed_by_another(time.time())
    started.hear("another launcher is sending this run; waiting for it")
    assert (len(desk.cloud.sent(SENDS[target])), jobs(desk, target)) == (1, 0)
    claimed_by_another(1700000000.0)  # and died before it sent anything
    assert started.end().exit_code == 0
    assert (len(desk.cloud.sent(SENDS[target])), jobs(desk, target)) == (2, 1)


def test_a_claim_is_as_old_as_the_last_try_to_send(desk: Desk) -> None:
    said = desk.run("step")
    record = {**desk.record(said.key), "attempt": 2, "ids": {}, "ended": "", "created": 1700000000.0}
    key = f"nightly/runs/{said.key}/2/record.json"
    body = json.dumps({**record, "renewed": time.time()}).encode()
    desk.s3.client().put_object(Bucket="staging", Key=key, Body=body)
    started = desk.start("run", *TARGETS["step"], "--", *SCORE)
    started.hear("another launcher is sending this run; waiting for it")
    started.signal(signal.SIGINT)
    assert started.end().exit_code == 10
    assert len(desk.cloud.sent("AddJobFlowSteps")) == 1


def test_without_any_clear_answer_the_launcher_says_so_and_the_next_one_finds_out(desk: Desk) -> None:
    desk.cloud.faults.next("AddJobFlowSteps", *["500"] * 5)
    said = desk.run("step")
    assert said.exit_code == 10
    assert "the same command again first looks for the job" in said.stderr
    assert desk.record(said.key)["ended"] == "", "it is not known that it was not taken"
