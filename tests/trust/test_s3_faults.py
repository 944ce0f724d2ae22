"""An S3 that errs, throttles, dawdles, hangs up or forbids: a passing fault is ridden out, a lasting one told in one line."""

import json
from typing import Any

import pytest

from tests.trust.s3_night import TODAY, YESTERDAY, Night

RUN = f"/OUT/{TODAY}"
PART = rf"PUT .*{RUN}/actions\.csv\?.*partNumber=1"
READ_BACK = rf"GET .*{RUN}/actions\.csv"
COMPLETE = rf"POST .*{RUN}/actions\.csv\?uploadId"
MANIFEST = rf"PUT .*{RUN}/datapackage\.json"
LATEST = r"PUT .*/OUT/latest\.json"
LOCK = r"PUT .*/OUT/_lock"
SPARKS_PART = r"PUT .*/OUT/_staging/.*/parts/actions/part-.*partNumber"
WRITES = r"(PUT|POST|DELETE) .*/OUT/(2026|_staging)"


@pytest.mark.parametrize(
    ("on", "do"),
    [
        pytest.param(".", 500, id="500"),
        pytest.param("(PUT|POST) ", 503, id="throttled"),
        pytest.param(".", "drop", id="hung-up"),
        pytest.param(f"{COMPLETE}|{LOCK}|{PART}|{MANIFEST}|{LATEST}", "lost", id="answer-lost"),
    ],
)
def test_a_store_that_fails_every_request_once_is_ridden_out(on: str, do: Any, night: Night) -> None:
    night.fails(on, do, 1)
    ended = night.run()
    assert night.mends() >= 5
    night.has_published(ended)


def test_a_request_that_hangs_is_given_up_and_sent_again(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.handoff.connection.READ_SECONDS", 1)
    night.fails(f"{PART}|{READ_BACK}", "slow", 1)
    ended = night.run()
    assert night.mends() == 2
    night.has_published(ended)


def test_a_read_of_sparks_that_hangs_is_sent_again_and_a_write_is_waited_for(night: Night) -> None:
    night.fails(f"{SPARKS_PART}|GET .*/in/a.* Hadoop", "slow", 1)
    ended = night.run()
    # an upload of which the store takes no bytes has no time limit in S3A
    assert night.sent_again() == {"GET"}
    assert night.mends() >= 2
    night.has_published(ended)


def test_a_store_that_is_away_before_anything_is_written_is_told_in_one_line(night: Night) -> None:
    for on, do, named in (
        ("GET .*/schema", 500, "schema.json"),
        ("GET .*/policy", 503, "policy.json"),
        ("GET .*/model/metadata", "drop", "model/metadata"),
        ("(GET|HEAD) .*/model.* Hadoop", 503, "/model"),
        (r"GET .*prefix=in", 503, "/in"),
        ("(GET|HEAD) .*/in/a", "drop", "/in/a.csv"),
        ("(GET|HEAD) .*/in/a.* Hadoop", 500, "/in/a.csv"),
        (LOCK, 503, "_lock.json"),
    ):
        night.fails(on, do, None)
        ended = night.run()
        assert night.mends() >= 2, on
        assert ended.code == 5, (on, ended.stderr)
        assert named in ended.error
        assert "run again" in ended.error
        night.holds(YESTERDAY)
        assert not [key for key in night.objects() if "_lock" in key or "_staging" in key]


@pytest.mark.parametrize(
    ("on", "do", "named"),
    [
        pytest.param(SPARKS_PART, 503, "/out", id="sparks-part-throttled"),
        pytest.param(SPARKS_PART, "drop", "/out", id="sparks-part-hung-up"),
        pytest.param(PART, "drop", "actions.csv", id="part-hung-up"),
        pytest.param(COMPLETE, 500, "actions.csv", id="joining"),
        pytest.param(READ_BACK, "drop", "actions.csv", id="read-back-hung-up"),
        pytest.param(MANIFEST, 503, "datapackage.json", id="manifest"),
        pytest.param(WRITES, 500, "/out", id="every-write"),
    ],
)
def test_a_lasting_fault_ends_the_run_in_one_line_and_the_next_run_publishes(
    on: str, do: Any, named: str, night: Night
) -> None:
    night.fails(on, do, None)
    ended = night.run()
    assert night.mends() >= 2
    assert ended.code == 5, ended.stderr
    assert named in ended.error
    assert "run again" in ended.error
    night.holds(YESTERDAY)
    night.has_published(night.run())


def test_a_run_whose_latest_json_could_not_be_written_says_that_it_is_published(night: Night) -> None:
    night.fails(LATEST, 500, None)
    ended = night.run()
    assert night.mends() >= 2
    assert ended.code == 5, ended.stderr
    assert "is published, but latest.json not yet" in ended.error
    assert "nothing was published" not in ended.stderr
    night.holds(YESTERDAY)
    again = night.run()
    assert again.summary["status"] == "nothing-to-do"
    night.has_published(again)


def test_a_run_of_whose_publication_the_answer_is_lost_for_good_says_that_it_is_published(night: Night) -> None:
    night.fails(MANIFEST, "lost", None)
    ended = night.run()
    assert night.mends() >= 2
    assert ended.code == 5, ended.stderr
    assert "datapackage.json" in ended.error
    assert f"{TODAY} is published; run again, which sets latest.json" in ended.error
    assert "nothing was published" not in ended.stderr
    again = night.run()
    assert again.summary["status"] == "nothing-to-do"
    night.has_published(again)


@pytest.mark.parametrize(
    ("on", "code", "named"),
    [
        pytest.param("GET .*prefix=in", 2, "/in", id="input-list"),
        pytest.param("(GET|HEAD) .*/in/a", 2, "/in/a.csv", id="input"),
        pytest.param("GET .*prefix=model", 2, "/model", id="model-list"),
        pytest.param("GET .*/model/metadata", 2, "/model/metadata", id="model"),
        pytest.param("(GET|HEAD) .*/model.* Hadoop", 2, "/model", id="model-to-spark"),
        pytest.param("(GET|HEAD) .*/in/a.* Hadoop", 2, "/in/a.csv", id="input-to-spark"),
        pytest.param("GET .*/schema", 2, "/schema.json", id="schema"),
        pytest.param("GET .*/policy", 2, "/policy.json", id="policy"),
        pytest.param("GET .*prefix=OUT", 5, "/out", id="output-list"),
        pytest.param(LOCK, 5, "/out", id="output-lock"),
        pytest.param(SPARKS_PART, 5, "/out", id="output-parts"),
        pytest.param(PART, 5, "/actions.csv", id="output-file"),
        pytest.param(MANIFEST, 5, "/datapackage.json", id="output-manifest"),
    ],
)
def test_a_denied_access_names_the_place_and_no_secret(on: str, code: int, named: str, night: Night) -> None:
    night.fails(on, 403, None)
    ended = night.run()
    assert night.mends() >= 1
    assert ended.code == code, ended.stderr
    assert named in ended.error
    assert "denied" in ended.error.lower()
    said = ended.stderr + json.dumps(dict(ended.summary))
    assert not [secret for name, secret in night.server.env.items() if "KEY" in name and secret in said]
    night.holds(YESTERDAY)
