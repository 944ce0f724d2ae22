"""Item 7: credentials never leave, and a bucket of somebody else is never used.

That no credential of the launcher or the cluster is in any argument, log or record is tested where real jobs run:
`test_whole_way.py`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.emr import logs
from tests.emr.cloud.s3 import ACCOUNT
from tests.emr.conftest import OPERATOR, SCORE, TARGETS, Desk

INPUT = "s3://data/in/{run_date}"
SETTING = "--conf spark.hadoop.fs.s3a.secret.key=abc"


@pytest.mark.parametrize("target", list(TARGETS))
def test_no_credential_is_in_any_request_record_or_line(desk: Desk, target: str) -> None:
    said = desk.run(target)
    texts = [said.stdout, said.stderr, repr(desk.cloud.requests)]
    texts += [desk.s3.text("staging", key) for key in desk.s3.keys("staging") if key.endswith(".json")]
    assert not [secret for secret in OPERATOR.values() for text in texts if secret in text]


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(["--spark", SETTING], id="a secret in a setting"),
        pytest.param(["--spark", "--conf spark.hadoop.fs.s3a.access.key=abc"], id="a key in a setting"),
        pytest.param(["--spark", "--conf spark.executorEnv.AWS_ACCESS_KEY_ID=abc"], id="a key of the environment"),
        pytest.param(["--spark", "--conf=spark.hadoop.fs.s3a.secret.key=abc"], id="a secret in one word"),
        pytest.param(
            ["--spark", "--conf 'spark.driver.extraJavaOptions=-Dx=1 -Daws.secretKey=abc'"], id="a secret of the JVM"
        ),
        pytest.param(["--spark", "--conf spark.x=https://joe:abc@host/"], id="a password in a setting"),
        pytest.param(["--input", "s3://AKIAABCDEFGHIJKLMNOP:abc@data/in"], id="a key in a URI"),
        pytest.param(["--output", "S3A://key:abc@data/out"], id="a key of another form in a URI"),
        pytest.param(["--policy=s3://data/p.json?x=1&X-Amz-Signature=abc"], id="a signed address"),
        pytest.param(["--config", "leaks.json"], id="a key in a configuration"),
        pytest.param(["s3://key:abc@data/in"], id="a word that is no option"),
    ],
)
def test_a_credential_in_the_command_is_refused_and_not_repeated(desk: Desk, more: list[str]) -> None:
    Path("leaks.json").write_text(json.dumps({"input": ["s3://data/in", "s3://key:abc@data/in"]}))
    said = desk.run("step", command=[word for word in SCORE if word not in ("--input", INPUT)] + more)
    assert said.exit_code == 2
    assert "give the job's role the right instead" in said.stderr
    assert "abc" not in said.stderr
    assert desk.cloud.requests == []


def test_what_only_sounds_like_a_credential_is_sent(desk: Desk) -> None:
    more = ["--input", "s3://tokens/secret/token=1/x", "--spark", "--conf spark.x=s3://tokens/date=1"]
    planned = desk.emr("plan", *TARGETS["step"], "--", *SCORE, *more)
    assert planned.exit_code == 0
    assert more[1] in planned.stdout


@pytest.mark.parametrize("target", list(TARGETS))
def test_a_bucket_of_another_account_is_refused_before_anything_is_sent(desk: Desk, target: str) -> None:
    said = desk.emr("run", *TARGETS[target], "--expected-bucket-owner", "999999999999", "--", *SCORE)
    assert said.exit_code == 10
    assert "--expected-bucket-owner" in said.stderr
    assert desk.s3.keys("staging") == []
    assert not [r for r in desk.cloud.requests if r.operation in ("AddJobFlowSteps", "RunJobFlow", "StartJobRun")]


def test_the_right_account_is_let_through(desk: Desk) -> None:
    assert desk.emr("run", *TARGETS["serverless"], "--expected-bucket-owner", ACCOUNT, "--", *SCORE).exit_code == 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("key AKIAABCDEFGHIJKLMNOP in use", "key **** in use", id="access key"),
        pytest.param("?X-Amz-Signature=0a1b&x=1", "?X-Amz-Signature=****&x=1", id="signed address"),
        pytest.param("aws_secret_access_key=abc/def", "aws_secret_access_key=****", id="secret"),
        pytest.param("nothing to hide", "nothing to hide", id="plain"),
    ],
)
def test_what_logs_leak_is_struck_out_when_shown(text: str, shown: str) -> None:
    assert logs.masked(text) == shown
