"""Item 5: a failure in one screen, the same for all targets."""

from __future__ import annotations

import pytest

from jobs.emr import explain
from jobs.emr.request import Snapshot
from tests.emr.cloud.scripted import Outcome
from tests.emr.conftest import SCORE, TARGETS, Desk

ALL = pytest.mark.parametrize("target", list(TARGETS))
LOG = """26/11/22 19:00:00 INFO SparkContext: Running
Traceback (most recent call last):
  File "score.py", line 12, in <module>
    main()
py4j.protocol.Py4JJavaError: An error occurred while calling o54.load.
: org.apache.spark.SparkException: Job aborted
\tat org.apache.spark.Scheduler.run(Scheduler.scala:1)
Caused by: java.io.IOException: wrapped
\tat java.base/java.lang.Thread.run(Thread.java:840)
Caused by: com.amazonaws.services.s3.model.AmazonS3Exception: Access Denied (Status Code: 403)
\t... 17 more
"""


@ALL
def test_the_screen_has_the_apis_reason_first_then_the_causes_the_logs_and_a_hint(desk: Desk, target: str) -> None:
    desk.machines.outcome = Outcome(seconds=0.1, exit_code=1, reports=False, stderr=LOG)
    said = desk.run(target)
    assert said.exit_code == 1
    screen = said.stderr[said.stderr.rindex(": FAILED: ") :].splitlines()
    assert "Job failed, please check complete logs" in screen[0]
    assert screen[1] == "emr: Python: py4j.protocol.Py4JJavaError: An error occurred while calling o54.load."
    assert screen[2].startswith("emr: deepest cause: com.amazonaws.services.s3.model.AmazonS3Exception: Access Denied")
    assert all(line.startswith("emr: log: s3://") for line in screen[3:-1])
    assert screen[-1] == "emr: hint: the job's role lacks a right: compare it with docs/iam/job-role.json"


@ALL
def test_the_jobs_own_error_comes_before_any_exception(desk: Desk, target: str) -> None:
    desk.machines.outcome = Outcome(seconds=0.1, exit_code=3, error="12 of 20 rows rejected; see …", stderr=LOG)
    screen = desk.run(target).stderr
    assert "the job says: 12 of 20 rows rejected; see …" in screen
    assert "Python: " not in screen


@ALL
def test_no_capacity_is_said_in_the_apis_words(desk: Desk, target: str) -> None:
    desk.cloud.faults.no_capacity = True
    said = desk.emr("run", *TARGETS[target], "--log-wait", "0", "--", *SCORE)
    assert said.exit_code == 1
    assert "capacity" in said.stderr
    assert "hint: no capacity" in said.stderr
    assert "nothing there yet" in said.stderr, "where the logs would be"


def test_a_lost_cluster_is_a_failure_with_its_reason(desk: Desk) -> None:
    desk.machines.outcome = Outcome(seconds=60)
    desk.cloud.faults.lose_cluster = True
    said = desk.emr("run", *TARGETS["step"], "--log-wait", "0", "--", *SCORE)
    assert said.exit_code == 1
    assert "the cluster was lost: INSTANCE_FAILURE: The master node was terminated" in said.stderr


def test_an_interrupted_step_is_a_failure_and_not_an_endless_wait(desk: Desk) -> None:
    desk.machines.outcome = Outcome(seconds=60)
    desk.cloud.faults.interrupt = True
    said = desk.emr("run", *TARGETS["step"], "--log-wait", "0", "--", *SCORE)
    assert said.exit_code == 1
    assert "INTERRUPTED" in said.stderr


def test_late_logs_do_not_mask_the_reason() -> None:
    snapshot = Snapshot("FAILED", "failed", "Unknown Error.: Traceback")
    screen = explain.screen(snapshot=snapshot, place="a step", status=None, logs={}, log_places=["s3://logs/j-1/"])
    assert screen.splitlines() == [
        "a step: FAILED: Unknown Error.: Traceback",
        "log: s3://logs/j-1/ (nothing there yet)",
    ]


def test_a_reason_of_any_length_fits_the_screen() -> None:
    snapshot = Snapshot("FAILED", "failed", "x" * 5000 + "\n" * 50)
    screen = explain.screen(snapshot=snapshot, place="p", status={"error": "y\n" * 9999}, logs={}, log_places=[])
    assert len(screen.splitlines()) <= 4
    assert max(map(len, screen.splitlines())) < 500


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param("AccessDenied: User is not authorized", "role lacks a right", id="access denied"),
        pytest.param("error: no saved model at s3://data/m", "no saved model at --model", id="missing model"),
        pytest.param("VALIDATION_ERROR: EC2 is out of capacity", "no capacity", id="no capacity"),
        pytest.param("ModuleNotFoundError: No module named 'ours'", "--requirements", id="wrong python"),
        pytest.param("java.lang.OutOfMemoryError: Java heap space", "out of memory", id="heap"),
        pytest.param("Container killed by YARN for exceeding memory limits", "out of memory", id="container"),
        pytest.param("Container exited with a non-zero exit code 137", "out of memory", id="137"),
    ],
)
def test_known_failures_have_a_hint(text: str, hint: str) -> None:
    assert hint in (explain.hint_for(text) or "")


def test_what_is_not_known_has_no_hint() -> None:
    assert explain.hint_for("something else entirely") is None


@pytest.mark.parametrize(
    ("text", "python", "cause"),
    [
        pytest.param("", "", "", id="nothing"),
        pytest.param("ValueError: bad\nno\n", "ValueError: bad", "", id="python only"),
        pytest.param("Caused by: a\n\tat b\n  Caused by: c.D: e", "", "c.D: e", id="deepest"),
        pytest.param("INFO retrying after FooException in thread", "", "", id="a mention is not a failure"),
    ],
)
def test_the_root_cause_is_the_last_exception_and_the_deepest_cause(text: str, python: str, cause: str) -> None:
    assert explain.root_cause(text) == (python, cause)
