"""Item 4: following a job for as long as it takes, from anywhere, to the right exit code."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from jobs.emr import logs, serverless, targets
from jobs.emr.clients import Clients
from jobs.emr.follow import Follower, Interrupts, Pace
from jobs.emr.record import Record, Records
from jobs.emr.request import Snapshot
from jobs.emr.staging import Store
from jobs.errors import RunTimedOutError
from tests.emr.cloud import runs
from tests.emr.cloud.scripted import SUMMARY, Outcome
from tests.emr.conftest import SCORE, STAGING, TARGETS, Desk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.emr.cloud.work import Work

POLLS = {"step": "DescribeStep", "cluster": "DescribeCluster", "serverless": "GetJobRun", "eks": "DescribeJobRun"}
ALL = pytest.mark.parametrize("target", list(TARGETS))


@ALL
def test_it_shows_states_time_and_the_drivers_own_progress_and_ends_with_the_summary(desk: Desk, target: str) -> None:
    desk.machines.outcome = Outcome(seconds=2.5)
    said = desk.run(target)
    assert said.exit_code == 0
    assert said.summary == SUMMARY
    assert "emr: 0:00:0" in said.stderr
    assert " RUNNING" in said.stderr
    assert "noise" not in said.stderr, "Spark's own lines are for the log"
    if target in ("serverless", "eks"):  # EMR on EC2 writes the driver's log after its end only
        assert said.stderr.count("driver: [    0.1 s] 1 input file, 10 bytes") == 1


@ALL
def test_a_failed_poll_is_not_a_failed_job(desk: Desk, target: str) -> None:
    """More failures in a row than the library itself retries."""
    desk.cloud.faults.next(POLLS[target], "throttle")
    detached = desk.emr("run", *TARGETS[target], "--detach", "--", *SCORE)
    desk.cloud.faults.next(POLLS[target], "refuse", "refuse")
    said = desk.emr("attach", detached.key)
    assert said.exit_code == 0, said.stderr
    assert said.stderr.count("asking again") == 2


@pytest.mark.parametrize(
    ("target", "code"), [*((target, 3) for target in TARGETS), *(("serverless", code) for code in (1, 2, 4, 5, 6))]
)
def test_the_exit_code_is_that_of_score(desk: Desk, target: str, code: int) -> None:
    desk.machines.outcome = Outcome(seconds=0.1, exit_code=code, error="what went wrong, where, and the cure")
    said = desk.run(target)
    assert said.exit_code == code
    assert "the job says: what went wrong, where, and the cure" in said.stderr


@pytest.mark.parametrize(
    ("options", "code", "ended"),
    [([], 0, 0), ([], 3, 3), (["--detach"], 0, 0)],
    ids=["published", "refused", "detached"],
)
def test_a_reader_that_is_gone_changes_no_exit_code(desk: Desk, options: list[str], code: int, ended: int) -> None:
    desk.machines.outcome = Outcome(exit_code=code, error="3 rows rejected" if code else None)
    started = desk.start("run", *TARGETS["serverless"], *options, "--", *SCORE)
    with started.process as process:
        assert process.stdout
        process.stdout.close()
        said = started.hear("stdout cannot be written to; it was to say {")
        assert process.wait(timeout=60) == ended
    status = json.loads(said.partition("it was to say ")[2])["status"]
    assert status == ("submitted" if options else "failed" if code else "published")


def test_nor_does_one_of_stderr_that_is_gone(desk: Desk) -> None:
    with desk.start("run", *TARGETS["serverless"], "--", *SCORE).process as process:
        assert process.stderr
        assert process.stdout
        process.stderr.close()
        assert json.loads(process.stdout.read())["status"] == "published"
        assert process.wait(timeout=60) == 0


def test_a_reader_of_logs_that_has_had_enough_is_told_nothing(desk: Desk) -> None:
    desk.machines.outcome = Outcome(stdout="a line\n")
    key = desk.run("serverless").key
    with desk.start("logs", key).process as process:
        assert process.stderr
        assert process.stdout
        process.stdout.close()
        assert "Broken pipe" not in process.stderr.read()
        assert process.wait(timeout=60) == 1


def test_what_goes_wrong_here_after_the_job_was_sent_is_a_lost_contact(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_certificates(*_: object) -> Snapshot:
        raise OSError("Could not find a suitable TLS CA certificate bundle")

    monkeypatch.setattr(serverless.Serverless, "snapshot", without_certificates)
    said = desk.run("serverless")
    assert said.exit_code == 13
    assert said.stderr.splitlines()[-1] == "emr: Could not find a suitable TLS CA certificate bundle"


@ALL
def test_a_record_that_cannot_be_written_any_more_changes_no_exit_code(desk: Desk, target: str) -> None:
    sends = ("AddJobFlowSteps", "RunJobFlow", "StartJobRun")
    desk.s3.denies = lambda key: key.endswith("record.json") and any(map(desk.cloud.sent, sends))
    said = desk.run(target)
    assert said.exit_code == 0, said.stderr
    assert said.summary["status"] == "published"
    assert said.stderr.count("record was not written") == 2
    desk.s3.denies = lambda key: False
    assert "sent this run and did not hear back" in desk.run(target).stderr, "it is found by its name"


@ALL
def test_a_job_that_left_no_word_has_exit_code_1(desk: Desk, target: str) -> None:
    desk.machines.outcome = Outcome(seconds=0.1, exit_code=9, reports=False)
    said = desk.emr("run", *TARGETS[target], "--log-wait", "0", "--", *SCORE)
    assert said.exit_code == 1


def test_a_job_that_published_and_then_lost_its_cluster_has_published(desk: Desk) -> None:
    desk.machines.outcome = Outcome(seconds=0.1)
    desk.cloud.faults.never_finish = desk.cloud.faults.lose_cluster = True
    said = desk.run("step")
    assert said.exit_code == 0
    assert said.summary == SUMMARY
    assert "had done its work when EMR reported" in said.stderr


@ALL
def test_any_machine_with_the_key_can_look_follow_and_read(desk: Desk, target: str) -> None:
    desk.machines.outcome = Outcome(seconds=1.5, stdout="one line of the driver\n")
    key = desk.emr("run", *TARGETS[target], "--detach", "--", *SCORE).key
    early = desk.emr("status", key).summary
    assert (early["key"], early["attempt"], early["job"]) == (key, 1, None)
    assert desk.emr("attach", key).exit_code == 0
    late = desk.emr("status", key).summary
    assert (late["phase"], late["job"]["summary"]) == ("succeeded", SUMMARY)
    for work in all_works(desk):
        work.join()  # the logs are there by then
    assert "one line of the driver" in desk.emr("logs", key).stdout


@ALL
def test_any_machine_with_the_key_can_cancel(desk: Desk, target: str) -> None:
    desk.machines.outcome = Outcome(seconds=60)
    key = desk.emr("run", *TARGETS[target], "--detach", "--", *SCORE).key
    assert desk.emr("cancel", key).exit_code == 0
    assert desk.emr("status", key).summary["phase"] == "cancelled"
    assert desk.emr("attach", key).exit_code == 11
    assert "ended already" in desk.emr("cancel", key).stderr


@pytest.mark.parametrize("command", ["attach", "status", "logs", "cancel"])
@pytest.mark.parametrize("key", ["score-20261122-0123456789abcdef", "../../elsewhere"])
def test_a_key_that_is_none_is_refused(desk: Desk, command: str, key: str) -> None:
    assert desk.emr(command, key).exit_code == 2


def test_without_any_answer_it_says_how_to_find_the_job_again(desk: Desk) -> None:
    detached = desk.emr("run", *TARGETS["serverless"], "--detach", "--", *SCORE)
    desk.cloud.faults.next("GetJobRun", *["refuse"] * 100)
    said = desk.emr("attach", detached.key, "--patience-minutes", "0.01")
    assert said.exit_code == 13
    assert f"the key {detached.key} follows it again" in said.stderr


class Endless:
    """A job whose clock the test turns: it runs until it is cancelled."""

    def __init__(self) -> None:
        self.polls, self.cancels = 0, 0

    def snapshot(self, ids: Mapping[str, str]) -> Snapshot:
        self.polls += 1
        return Snapshot("CANCELLED", "cancelled") if self.cancels else Snapshot("RUNNING", "running")

    def cancel(self, ids: Mapping[str, str], *, force: bool = False) -> None:
        self.cancels += 1

    def clean_up(self, ids: Mapping[str, str], *, name: str, cancelled: bool, wait: Callable[[], bool]) -> None:
        """Nothing outlives it."""

    def log_prefixes(self, ids: Mapping[str, str]) -> list[str]:
        return []

    def clean_up_command(self, ids: Mapping[str, str]) -> str:
        return "aws stop"

    def place(self) -> str:
        return "a place"


def test_a_job_past_its_timeout_is_cancelled_and_has_an_exit_code_of_its_own(desk: Desk) -> None:
    job = Endless()
    record = Record(
        "score-20261122-0123456789abcdef", 1, "step", {}, "emr-7.10.0", "a place", 1700000000.0, 90, {"a": "b"}
    )
    store = Store(desk.s3.client())
    records = Records(store, staging=STAGING, key=record.key)
    said: list[str] = []
    follower = Follower(record, job, records, store, said.append, Pace(poll=0.01), Interrupts())  # type: ignore[arg-type]
    with pytest.raises(RunTimedOutError) as raised:
        follower.conclude(follower.to_the_end())
    assert raised.value.exit_code == 12
    assert job.cancels == 1


def test_it_waits_longer_than_the_librarys_own_waiter_does() -> None:
    """boto3's waiter for steps gives up after 60 polls; a job may take hundreds, and a minute passes between lines."""

    class Long(Endless):
        def snapshot(self, ids: Mapping[str, str]) -> Snapshot:
            self.polls += 1
            return Snapshot("COMPLETED", "succeeded") if self.polls > 500 else Snapshot("RUNNING", "running")

    record = Record(
        "score-20261122-0123456789abcdef", 1, "step", {}, "emr-7.10.0", "a place", 1700000000.0, None, {"a": "b"}
    )
    said: list[str] = []
    follower = Follower(record, Long(), None, None, said.append, Pace(poll=0), Interrupts())  # type: ignore[arg-type]
    assert follower.to_the_end().phase == "succeeded"
    assert len(said) == 2, "the state when it changes, and not on every poll"


def test_what_it_cost_is_said_where_the_service_tells(desk: Desk) -> None:
    assert "billed: 0.024 vCPU hours, 0.096 GB hours" in desk.run("serverless").stderr


def test_a_record_rebuilds_its_target_alone(desk: Desk) -> None:
    for name in TARGETS:
        said = desk.emr("run", *TARGETS[name], "--", *SCORE, "--output", f"s3://data/{name}")
        record = json.loads(desk.s3.text("staging", f"nightly/runs/{said.key}/1/record.json"))
        target = targets.make(record["kind"], record["settings"], clients=Clients())
        assert target.snapshot(record["ids"]).phase == "succeeded"


def test_of_a_retried_job_the_newest_attempts_driver_is_read_with_what_was_rotated_away(desk: Desk) -> None:
    """The layout of EMR Serverless; executors' logs lie beside the driver's."""
    run = f"logs/applications/{runs.APPLICATION}/jobs/00r1"
    for attempt in (1, 2):
        base = f"{run}/attempts/{attempt}"
        for name in ("SPARK_DRIVER/stdout.gz", "SPARK_DRIVER/archived/stderr_1.gz", "SPARK_EXECUTOR/1/stdout.gz"):
            body = gzip.compress(f"{name} of attempt {attempt}".encode())
            desk.s3.client().put_object(Bucket="staging", Key=f"{base}/{name}", Body=body)
    settings = {"application_id": runs.APPLICATION, "role": runs.ROLE, "log_uri": "s3://staging/logs"}
    target = targets.make("serverless", settings, clients=Clients())
    texts = logs.Logs(target, {"job_run_id": "00r1"}, store=Store(desk.s3.client())).texts()
    assert list(texts.values()) == [
        "SPARK_DRIVER/stdout.gz of attempt 2",
        "SPARK_DRIVER/archived/stderr_1.gz of attempt 2",
    ]


def all_works(desk: Desk) -> list[Work]:
    steps = [work for cluster in desk.cloud.ec2.clusters.values() for work in cluster.steps.values()]
    return [*steps, *desk.cloud.serverless.works.values(), *desk.cloud.eks.works.values()]
