"""`--config`: every option as JSON, each as what it takes, and nothing made a text that is none."""

import json
import os
from pathlib import Path
from typing import Any

import click
import pytest

from jobs import cli, program, score, train
from jobs.errors import UsageError

GIVEN = {"model": "m", "input": "in.csv", "schema": "s", "policy": "p", "output": "out"}
TEXT, FLAG, NUMBER, TEXTS = "a text", "true or false", "a whole number or a text", "a text or a list of texts"


def parsed(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What `score` takes from such a file."""
    (folder / "night.json").write_text(json.dumps(config))
    command = click.Command("score", params=cli.OPTIONS)
    return command.make_context("score", ["--config", str(folder / "night.json")]).params


@pytest.mark.parametrize(
    ("option", "value", "takes"),
    [
        ("output", ["a"], TEXT),
        ("output", True, TEXT),
        ("output", {"a": 1}, TEXT),
        ("model", None, TEXT),
        ("schema", 5, TEXT),
        ("run-date", 20261122, TEXT),
        ("input", True, TEXTS),
        ("input", 5, TEXTS),
        ("input", ["a", None], TEXTS),
        ("input", {"a": "b"}, TEXTS),
        ("min-rows", 5.5, NUMBER),
        ("min_rows", True, NUMBER),
        ("max-rejects", [1], NUMBER),
        ("max-rejects", None, NUMBER),
        ("force", "false", FLAG),
        ("dry_run", 1, FLAG),
    ],
)
def test_a_value_that_an_option_does_not_take_is_refused_by_its_name(
    option: str, value: Any, takes: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as refused:
        parsed({**GIVEN, option: value}, tmp_path)
    told = f"--config {tmp_path}/night.json: {option.replace('_', '-')!r} takes {takes}; correct it, or leave it out"
    assert str(refused.value) == told


def test_numbers_flags_and_lists_are_as_on_the_command_line(tmp_path: Path) -> None:
    given = {**GIVEN, "min-rows": 5, "max-rejects": 7, "force": True, "dry-run": False, "input": ["a", "b"]}
    found = parsed(given, tmp_path)
    assert [found[name] for name in ("min_rows", "max_rejects", "force", "dry_run")] == [5, "7", True, False]
    assert tuple(found["input"]) == ("a", "b")
    found = parsed({**GIVEN, "min_rows": "6", "max_rejects": "0.5%"}, tmp_path)
    assert [found[name] for name in ("min_rows", "max_rejects", "input")] == [6, "0.5%", ("in.csv",)]


@pytest.mark.parametrize("main", [score.main, train.main], ids=["score", "train"])
def test_it_ends_with_2_in_one_line(main: click.Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "night.json").write_text(json.dumps({"model": ["m"]}))
    code, summary = program.ended(lambda: main(["--config", str(tmp_path / "night.json")], standalone_mode=False))
    said = capsys.readouterr().err
    assert (code, summary["status"]) == (2, "failed")
    assert said == f"error: --config {tmp_path}/night.json: 'model' takes a text; correct it, or leave it out\n"


@pytest.mark.timeout(20)
def test_what_can_be_read_once_only_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "night.json")
    command = click.Command("score", params=cli.OPTIONS)
    with pytest.raises(UsageError, match="is not a file on the disk; write it to one"):
        command.make_context("score", ["--config", str(tmp_path / "night.json")])


def test_a_name_that_is_no_option_is_answered_with_those_of_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        parsed({**GIVEN, "inputs": "in.csv"}, tmp_path)
    ours = "dry-run, force, input, max-rejects, min-rows, model, output, policy, run-date, schema"
    assert str(refused.value) == f"--config {tmp_path}/night.json: no option 'inputs'; use {ours}"


def test_an_option_that_is_missing_is_told_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    given = {"args": ["--model", "m"], "prog_name": "./submit.sh score", "standalone_mode": False}
    code, _ = program.ended(lambda: score.main(**given))
    told = "error: Missing option '--input'; see ./submit.sh score --help\n"
    assert (code, capsys.readouterr().err) == (2, told)


def test_a_text_is_the_input_of_train_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"input": "in.csv", "schema": "s", "label": "y", "features": "x", "model": "m"}
    (tmp_path / "train.json").write_text(json.dumps(given))
    taken: dict[str, str] = {}
    monkeypatch.setattr(train, "train", lambda **values: taken.update(values))
    train.main(["--config", str(tmp_path / "train.json")], standalone_mode=False)
    assert taken == given
