"""Item 6: Ctrl-C and SIGTERM cancel the job, and only a cluster of our own is ever terminated."""

from __future__ import annotations

import signal

import pytest

from tests.emr.cloud.ec2 import SHARED
from tests.emr.cloud.scripted import Outcome
from tests.emr.conftest import SCORE, TARGETS, Desk, Started

ALL = pytest.mark.parametrize("target", list(TARGETS))


@pytest.fixture
def endless(desk: Desk) -> Desk:
    desk.machines.outcome = Outcome(seconds=600)
    return desk


def running(desk: Desk, target: str) -> Started:
    started = desk.start("run", *TARGETS[target], "--", *SCORE)
    started.hear(" RUNNING")
    return started


@ALL
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_cancels_and_waits_for_the_end(endless: Desk, target: str, number: int) -> None:
    started = running(endless, target)
    started.signal(number)
    said = started.end()
    assert said.exit_code == 11, said.stderr
    assert "interrupted; cancelling the job and waiting for its end" in said.stderr
    record = endless.record(said.stderr.partition("run key ")[2].split()[0])
    assert record["ended"] in ("CANCELLED", "TERMINATED")


@ALL
def test_the_second_signal_stops_waiting_and_prints_the_command_to_clean_up(endless: Desk, target: str) -> None:
    endless.cloud.faults.cancel_seconds = 20
    started = running(endless, target)
    started.signal(signal.SIGINT)
    started.hear("cancelling the job")
    started.signal(signal.SIGINT)
    said = started.end(timeout=15)
    if target == "cluster":  # terminating takes its steps along at once
        assert said.exit_code in (11, 14)
        return
    assert said.exit_code == 14
    assert "To stop it: aws emr" in said.stderr


@pytest.mark.parametrize("fate", ["cancelled", "failed", "succeeded"])
def test_a_shared_cluster_is_never_terminated(desk: Desk, fate: str) -> None:
    desk.machines.outcome = Outcome(seconds=600 if fate == "cancelled" else 0.1, exit_code=int(fate == "failed"))
    if fate == "cancelled":
        started = running(desk, "step")
        started.signal(signal.SIGTERM)
        started.end()
    else:
        desk.run("step")
    assert desk.cloud.sent("TerminateJobFlows") == []
    assert desk.cloud.ec2.clusters[SHARED].state == "WAITING"


@pytest.mark.parametrize("fate", ["cancelled", "failed", "succeeded"])
def test_our_own_cluster_is_always_terminated(desk: Desk, fate: str) -> None:
    desk.machines.outcome = Outcome(seconds=600 if fate == "cancelled" else 0.1, exit_code=int(fate == "failed"))
    if fate == "cancelled":
        started = running(desk, "cluster")
        started.signal(signal.SIGTERM)
        started.end()
    else:
        desk.run("cluster")
    [own] = [cluster for name, cluster in desk.cloud.ec2.clusters.items() if name != SHARED]
    assert own.state in ("TERMINATING", "TERMINATED")


def test_a_cancelled_step_that_had_begun_also_stops_its_driver_in_yarn(endless: Desk) -> None:
    started = running(endless, "step")
    started.signal(signal.SIGINT)
    assert started.end().exit_code == 11
    [_, stop] = endless.cloud.sent("AddJobFlowSteps")
    name = endless.cloud.sent("AddJobFlowSteps")[0]["Steps"][0]["Name"]
    command = stop["Steps"][0]["HadoopJarStep"]["Args"][-1]
    assert f"yarn application -list -appTags {name}" in command
    assert "yarn application -kill" in command


def test_a_slow_cancel_is_waited_for(endless: Desk) -> None:
    endless.cloud.faults.cancel_seconds = 3
    started = running(endless, "serverless")
    started.signal(signal.SIGINT)
    said = started.end()
    assert said.exit_code == 11
    assert "CANCELLING" in said.stderr


def test_ctrl_c_while_attached_leaves_the_job_alone(endless: Desk) -> None:
    key = endless.emr("run", *TARGETS["serverless"], "--detach", "--", *SCORE).key
    started = endless.start("attach", key)
    started.hear(" RUNNING")
    started.signal(signal.SIGINT)
    said = started.end()
    assert said.exit_code == 14
    assert endless.cloud.sent("CancelJobRun") == []


def test_a_refused_cancel_is_said_and_the_job_followed_on(desk: Desk) -> None:
    desk.machines.outcome = Outcome(seconds=4)
    desk.cloud.faults.next("CancelJobRun", "refuse")
    started = running(desk, "serverless")
    started.signal(signal.SIGINT)
    said = started.end()
    assert said.exit_code == 0
    assert "the cancel was not taken" in said.stderr
