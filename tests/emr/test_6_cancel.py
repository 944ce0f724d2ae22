"""Item 6: Ctrl-C and SIGTERM cancel the job, and only a cluster of our own is ever terminated."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from jobs.emr import follow
from tests.emr.cloud.ec2 import SHARED
from tests.emr.cloud.machines import ROOT
from tests.emr.cloud.scripted import Outcome
from tests.emr.conftest import SCORE, STAGING, TARGETS, Desk, Said, Started

if TYPE_CHECKING:
    from pathlib import Path

    from tests.emr.cloud.work import Work

ALL = pytest.mark.parametrize("target", list(TARGETS))


@pytest.fixture
def endless(desk: Desk) -> Desk:
    desk.machines.outcome = Outcome(seconds=600)
    return desk


def running(desk: Desk, target: str) -> Started:
    started = desk.start("run", *TARGETS[target], "--", *SCORE)
    started.hear(" RUNNING")
    return started


def key_of(said: Said) -> str:
    return said.stderr.partition("run key ")[2].split()[0]


@ALL
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_cancels_and_waits_for_the_end(endless: Desk, target: str, number: int) -> None:
    started = running(endless, target)
    started.signal(number)
    said = started.end()
    assert said.exit_code == 11, said.stderr
    assert "interrupted; cancelling the job and waiting for its end" in said.stderr
    record = endless.record(key_of(said))
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
    if target == "step":  # no AWS command ends both the step and its driver
        assert f"To stop it: ./submit.sh emr cancel --staging {STAGING} {key_of(said)}\n" in said.stderr
    else:
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


def stops(desk: Desk) -> list[str]:
    """The commands of the steps that stop a driver in YARN."""
    steps = [sent["Steps"][0] for sent in desk.cloud.sent("AddJobFlowSteps")]
    return [step["HadoopJarStep"]["Args"][-1] for step in steps if step["Name"].endswith("-stop")]


def step_of(desk: Desk) -> Work:
    return next(iter(desk.cloud.ec2.clusters[SHARED].steps.values()))


def test_cancel_also_stops_the_driver_of_a_step_whose_launcher_did_not_wait(endless: Desk) -> None:
    endless.cloud.faults.cancel_seconds = 60
    started = running(endless, "step")
    started.signal(signal.SIGINT)
    started.hear("cancelling the job")
    started.signal(signal.SIGINT)
    said = started.end()
    assert (said.exit_code, stops(endless)) == (14, [])
    endless.cloud.faults.cancel_seconds = 0
    step_of(endless).join()
    again = endless.emr("cancel", key_of(said))
    assert again.exit_code == 0
    assert "the run had ended already: CANCELLED" in again.stderr
    assert len(stops(endless)) == 1


def test_a_step_that_somebody_else_cancelled_has_its_driver_stopped_too(endless: Desk) -> None:
    started = running(endless, "step")
    step_of(endless).cancel()
    assert started.end().exit_code == 11
    assert len(stops(endless)) == 1


def test_on_a_cluster_that_is_gone_there_is_no_driver_to_stop(endless: Desk) -> None:
    started = running(endless, "step")
    endless.cloud.ec2.clusters[SHARED].end("TERMINATED", "USER_REQUEST", "Terminated by user request")
    step_of(endless).cancel()
    said = started.end()
    assert stops(endless) == []
    assert "could not clean up" not in said.stderr


@pytest.mark.parametrize(
    ("yarn", "code", "killed"),
    [
        pytest.param('[[ $2 != -list ]] || echo "application_1_0002 application_1_0002 RUNNING"', 0, 1, id="found"),
        pytest.param("true", 0, 0, id="none is left"),
        pytest.param("exit 3", 3, 0, id="YARN does not answer"),
        pytest.param('[[ $2 == -list ]] && echo "application_1_0002"', 1, 1, id="it does not end"),
    ],
)
def test_the_step_that_stops_the_driver_fails_where_it_cannot(
    endless: Desk, tmp_path: Path, yarn: str, code: int, killed: int
) -> None:
    started = running(endless, "step")
    started.signal(signal.SIGINT)
    assert started.end().exit_code == 11
    [command] = stops(endless)
    (tmp_path / "yarn").write_text(f"#!/bin/bash\necho $* >>{tmp_path}/asked\n{yarn}\n")
    (tmp_path / "yarn").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, check=False)
    assert done.returncode == code
    assert (tmp_path / "asked").read_text().count("application -kill application_1_0002\n") == killed


def test_a_cancelled_step_that_had_begun_also_stops_its_driver_in_yarn(endless: Desk) -> None:
    started = running(endless, "step")
    started.signal(signal.SIGINT)
    assert started.end().exit_code == 11
    [_, stop] = endless.cloud.sent("AddJobFlowSteps")
    name = endless.cloud.sent("AddJobFlowSteps")[0]["Steps"][0]["Name"]
    command = stop["Steps"][0]["HadoopJarStep"]["Args"][-1]
    assert f"yarn application -list -appTags {name}" in command
    assert "yarn application -kill" in command


@pytest.mark.parametrize("options", [[], ["--detach"]], ids=["followed", "detached"])
@pytest.mark.parametrize("target", ["cluster", "serverless"])
def test_after_a_ctrl_c_during_the_upload_nothing_is_sent(endless: Desk, target: str, options: list[str]) -> None:
    launchers: list[Started] = []

    def interrupting(key: str) -> bool:
        if key.endswith("score.py"):
            launchers[0].signal(signal.SIGINT)
        return False

    endless.s3.denies = interrupting
    launchers.append(endless.start("run", *TARGETS[target], *options, "--", *SCORE))
    said = launchers[0].end()
    assert said.exit_code == 10, said.stderr
    assert said.stderr.splitlines()[-1] == "emr: interrupted; nothing was sent"
    assert endless.machines.started == []
    assert [key for key in endless.s3.keys("staging") if key.endswith("record.json")] == []
    assert endless.cloud.sent("RunJobFlow") + endless.cloud.sent("StartJobRun") == []


def test_a_ctrl_c_while_another_launcher_is_sending_ends_the_waiting(desk: Desk) -> None:
    key = desk.run("step").key
    claim = {**desk.record(key), "attempt": 2, "ids": {}, "ended": "", "created": time.time()}
    where = f"nightly/runs/{key}/2/record.json"
    desk.s3.client().put_object(Bucket="staging", Key=where, Body=json.dumps(claim).encode())
    started = desk.start("run", *TARGETS["step"], "--", *SCORE)
    started.hear("waiting for it")
    started.signal(signal.SIGINT)
    said = started.end()
    assert said.exit_code == 10
    assert said.stderr.splitlines()[-1] == "emr: interrupted; nothing was sent"
    assert len(desk.cloud.sent("AddJobFlowSteps")) == 1


def test_a_request_that_got_no_answer_is_not_repeated_after_a_ctrl_c(endless: Desk) -> None:
    endless.cloud.faults.next("RunJobFlow", "500")
    started = endless.start("run", *TARGETS["cluster"], "--", *SCORE, pace=["--poll-seconds", "1"])
    started.hear("no clear answer from EMR")
    started.signal(signal.SIGINT)
    said = started.end()
    assert said.exit_code == 10
    assert "the same command again first looks for the job" in said.stderr
    assert len(endless.cloud.sent("RunJobFlow")) == 1


@pytest.mark.parametrize("options", [[], ["--detach"]], ids=["followed", "detached"])
def test_a_job_that_was_taken_before_the_ctrl_c_was_heard_is_cancelled(endless: Desk, options: list[str]) -> None:
    endless.cloud.faults.next("RunJobFlow", "hang")
    started = endless.start("run", *TARGETS["cluster"], *options, "--", *SCORE)
    started.hear("files uploaded")
    started.until(lambda: bool(endless.cloud.sent("RunJobFlow")))
    started.signal(signal.SIGINT)
    endless.cloud.hang_up()
    said = started.end()
    assert said.exit_code == 11, said.stderr
    assert "the job was taken" in said.stderr
    assert len(endless.cloud.sent("RunJobFlow")) == 1
    assert len(endless.cloud.sent("TerminateJobFlows")) >= 1


def test_the_second_signal_also_ends_the_wait_for_the_driver_in_yarn(endless: Desk) -> None:
    """The cluster's other steps keep the one that stops the driver waiting."""
    endless.cloud.faults.never_finish = True
    started = endless.start("run", *TARGETS["step"], "--", *SCORE, pace=["--poll-seconds", "2"])
    started.hear(" RUNNING")
    started.signal(signal.SIGINT)
    started.until(lambda: len(endless.cloud.sent("AddJobFlowSteps")) >= 2)
    started.signal(signal.SIGINT)
    said = started.end()
    assert said.exit_code == 11
    assert "so the driver may still run; on the cluster's primary node: " in said.stderr


def test_no_signal_stops_the_launcher_for_ever() -> None:
    """One that came while the wait before was tidied up waited for that, which waited for it."""
    script = """if True:
        import os, signal, threading
        from jobs.emr.follow import Interrupts

        def bother():
            for _ in range(20000):
                os.kill(os.getpid(), signal.SIGINT)

        with Interrupts().caught() as interrupts:
            bothering = threading.Thread(target=bother, daemon=True)
            bothering.start()
            while bothering.is_alive():
                interrupts.wait(0)
        assert interrupts.count
    """
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=30)


def test_a_slow_cancel_is_waited_for(endless: Desk) -> None:
    endless.cloud.faults.cancel_seconds = 3
    started = running(endless, "serverless")
    started.signal(signal.SIGINT)
    said = started.end()
    assert said.exit_code == 11
    assert "CANCELLING" in said.stderr


def test_a_step_that_heeds_no_interrupt_for_five_minutes_is_killed(
    endless: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each poll, which asks for the cluster once, takes a minute of the launcher's clock."""
    endless.cloud.faults.cancel_seconds = 30
    clock = SimpleNamespace(
        monotonic=lambda: 60 * len(endless.cloud.sent("DescribeCluster")), time=lambda: time.time() + 3600
    )
    monkeypatch.setattr(follow, "time", clock)
    assert endless.run("step", "--timeout", "30", "--poll-seconds", "0.01").exit_code == 12
    options = [sent["StepCancellationOption"] for sent in endless.cloud.sent("CancelSteps")]
    assert options == ["SEND_INTERRUPT", "TERMINATE_PROCESS"]
    operations = [request.operation for request in endless.cloud.requests]
    first = operations.index("CancelSteps")
    second = operations.index("CancelSteps", first + 1)
    assert operations[first:second].count("DescribeCluster") == 6, "the first that is later than five minutes"


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
