"""A policy or schema is data, a cell stays in its cell, and no credential is printed, logged or published."""

import os
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.trust.conftest import POLICY, Night
from tests.trust.refusals import FINE

SECRET = "wJalrXUtnFEMI-not-a-real-secret"


def test_a_policy_cannot_read_the_environment(nights: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.csv").write_bytes(FINE)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    columns = {"home": "'${env:HOME}'", "version": "'${system:java.version}'", "conf": "'${spark.app.name}'"}
    ended = nights(tmp_path, policy={**POLICY, "columns": columns})
    assert ended.code == 0, ended.stderr
    assert {tuple(row.values()) for row in ended.actions} == {
        ("${env:HOME}", "${system:java.version}", "${spark.app.name}")
    }


@pytest.mark.parametrize("dry_run", [True, False])  # where the check has a thread to itself
def test_nor_does_what_is_said_of_a_policy_that_is_refused(dry_run: bool, nights: Night, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(FINE)
    ended = nights(tmp_path, policy={**POLICY, "columns": {"user": "${system:user.name}"}}, dry_run=dry_run)
    assert ended.code == 4, ended.stderr
    assert "Syntax error at or near '$'" in ended.error  # and not near, or of a column by, the user's name


def test_no_credential_is_in_the_configuration_the_output_or_what_is_said(
    spark: SparkSession, nights: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.csv").write_bytes(FINE)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    ended = nights(tmp_path)
    told = ended.stderr + str(ended.summary) + str(spark.sparkContext.getConf().getAll())
    published = "".join(
        path.read_text() for path in ended.output.rglob("*") if path.is_file() and path.suffix != ".crc"
    )
    assert SECRET not in told + published


@pytest.mark.parametrize("option", ["input", "model", "schema", "policy", "output"])
def test_a_uri_with_credentials_is_refused_and_not_repeated(option: str, nights: Night, tmp_path: Path) -> None:
    given = {"source": str(tmp_path), **{option if option != "input" else "source": f"s3://AKIA:{SECRET}@bucket/x"}}
    ended = nights(**given)
    assert ended.code == 2, ended.stderr
    assert SECRET not in ended.stderr + str(ended.summary)


@pytest.mark.parametrize("date", ["../../etc", "20261122", "2026-W47-7", "2026-11-22/../x", "2026-13-01", ""])
def test_a_run_date_that_is_none_is_refused(date: str, nights: Night, tmp_path: Path) -> None:
    ended = nights(tmp_path, run_date=date)
    assert ended.code == 2, ended.stderr
    assert os.listdir(tmp_path) == []


def test_cells_that_a_spreadsheet_would_run_are_neutralised_when_asked(nights: Night, tmp_path: Path) -> None:
    cells = ["=1+1", "+1", "-1", "@x", "\t=1", "a=1", "'=1"]
    rows = "".join(f"{n},1,2,3,{cell}\n" for n, cell in enumerate(cells))
    (tmp_path / "in.csv").write_text("ID,crim,zn,indus,note\n" + rows)
    plain = nights(tmp_path / "in.csv")
    safe = nights(tmp_path / "in.csv", policy={**POLICY, "escape_formulas": True})
    shown = [[row["note"] for row in sorted(run.actions, key=lambda row: row["ID"])] for run in (plain, safe)]
    assert shown == [cells, ["'=1+1", "'+1", "'-1", "'@x", "'\t=1", "a=1", "'=1"]]


NAMES = [
    "a b",
    "a%20b",
    "a+b",
    "[x]",
    "ü",
    "a#b?c",
    "a,b",
    "{a,b}",
    "a",
    "b",
    "x..csv",
    "a'b\"c",
    "$HOME",
    "*",
    "a\\b",
    "a\\[b",
]


def test_a_file_of_any_name_is_read_and_named(nights: Night, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for n, name in enumerate(NAMES):
        bad = f'bad-{n},x,1,2,"\n"\n'.encode()
        (tmp_path / "in" / f"{name}.csv").write_bytes(FINE.replace(b"fine-", f"fine-{n}-".encode()) + bad)
    ended = nights(tmp_path / "in")
    assert ended.code == 0, ended.stderr
    named = {row["ID"]: row["_source"] for row in ended.rejects}
    assert named == {f"bad-{n}": str(tmp_path / "in" / f"{name}.csv") for n, name in enumerate(NAMES)}
    assert len(ended.rejects) == len(NAMES)
    assert len(ended.actions) == 3 * len(NAMES)
