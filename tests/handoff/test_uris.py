"""URIs that would name one place to this job and another to Spark, or none: refused before anything is looked at."""

import os
from pathlib import Path

import click
import pytest

from jobs import program, score, train
from jobs.handoff import uris

# as shells and editors leave them
WRONG = {
    "": "is empty",
    "~/nightly": "no shell has put a folder in the place of ~; give the path in full, or ./~/nightly",
    "~ops/nightly": "give the path in full",
    "file:/x": "has one slash; give file:///path or s3://bucket/key, or ./file:/x for a path of that name",
    "s3:/x": "has one slash",
    "S3A:/shop/out": "has one slash",
    "hdfs:/x": "has one slash",
    "file://host/x": "names another machine; give file:///path",
    "FILE://x": "names another machine",
    "file://localhost": "names another machine",
    "s3://": "has no bucket; give s3://bucket/key",
    "s3a:///x": "has no bucket",
    "s3://shop//out": "Spark and S3 take it for different names",
    "S3://shop//x": "different names",
    "s3://shop/a/../c": "different names",
    "s3://shop/./c": "different names",
    "s3a://shop/a//": "different names",
    "s3://shop/..": "different names",
}
RIGHT = [
    "x", "/x", "../x", "a//b", "./file:/x", "./~", "a/~b", "a:b/out", "a/b:/c", "file:///x", "FILE://localhost/x", "hdfs://host/x",
    "s3://shop", "s3://shop/", "s3a://shop/a/", "S3://shop/a/b", "s3://shop/a..b/.c/*.csv",
]  # fmt: skip


@pytest.mark.parametrize("uri", RIGHT)
def test_what_names_a_place_is_taken(uri: str) -> None:
    uris.check([("output", uri)])


@pytest.mark.parametrize("option", ["model", "input", "schema", "policy", "output"])
@pytest.mark.parametrize("uri", WRONG)
def test_score_refuses_every_uri_that_names_no_one_place(
    uri: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {name: name for name in ("model", "input", "schema", "policy", "output")}
    refused(score.main, {**given, option: uri}, option, uri, capsys)


@pytest.mark.parametrize("option", ["model", "input", "schema"])
@pytest.mark.parametrize("uri", WRONG)
def test_and_so_does_train(
    uri: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"model": "model", "input": "input", "schema": "schema", "label": "y", "features": "x"}
    refused(train.main, {**given, option: uri}, option, uri, capsys)


def refused(
    main: click.Command, given: dict[str, str], option: str, uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hold the command to one line that names the option and the URI, to exit code 2, and to leaving nothing."""
    line = [word for name, value in given.items() for word in (f"--{name}", value)]
    code, _ = program.ended(lambda: main(line, standalone_mode=False))
    said = capsys.readouterr().err
    assert code == 2, said
    assert said.startswith(f"error: --{option} {uri!r}: ")
    assert WRONG[uri] in said
    assert said.count("\n") == 1
    assert os.listdir() == []
