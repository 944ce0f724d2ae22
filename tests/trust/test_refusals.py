"""What cannot be read is refused in one line with the right exit code; nothing is published."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.handoff import publish
from tests.support.runs import Ended
from tests.trust.conftest import POLICY, SCHEMA, Night, write
from tests.trust.corpus import case
from tests.trust.refusals import ALL, FINE, MANY, Refusal


def nothing_published(ended: Ended) -> bool:
    """Neither a run nor anything half-made is in the output."""
    return not list(ended.output.rglob("datapackage.json")) and not ended.left_behind


@pytest.mark.parametrize("refusal", ALL, ids=[refusal.name for refusal in ALL])
def test_a_delivery_that_cannot_be_read_is_refused_in_one_line(refusal: Refusal, nights: Night, tmp_path: Path) -> None:
    refusal.make(tmp_path)
    ended = nights(tmp_path)
    assert ended.code == refusal.code, ended.stderr
    if refusal.code:
        assert refusal.says in ended.error
        assert nothing_published(ended)


def meanwhile(monkeypatch: pytest.MonkeyPatch, step: str, event: Callable[[], object]) -> None:
    """Let `event` happen right after `step`."""
    done = publish.Steps.done

    def then(steps: publish.Steps, name: str, said: str) -> None:
        done(steps, name, said)
        if name == step:
            event()

    monkeypatch.setattr(publish.Steps, "done", then)


def appended(path: Path) -> None:
    """One more row at the end of the file."""
    path.write_bytes(path.read_bytes() + b"late,1,2,3,x\n")


EVENTS: dict[str, Callable[[Path], object]] = {
    "is-removed": Path.unlink,
    "grows": appended,
    "is-emptied": lambda path: path.write_bytes(b""),
    "gets-other-columns": lambda path: path.write_bytes(
        b"crim,ID,zn,indus,note\n" + path.read_bytes().split(b"\n", 1)[1]
    ),
    "gets-a-neighbour": lambda path: path.with_name("b.csv").write_bytes(FINE.replace(b"fine", b"new")),
}


@pytest.mark.parametrize("step", ["inputs", "model", "score"])
@pytest.mark.parametrize("event", EVENTS)
def test_an_input_that_changes_under_the_run_is_never_published(
    event: str, step: str, nights: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_bytes(FINE)
    (tmp_path / "other.csv").write_bytes(MANY)
    meanwhile(monkeypatch, step, lambda: EVENTS[event](tmp_path / "a.csv"))
    ended = nights(tmp_path)
    assert ended.code == 3, ended.stderr
    assert ended.error
    assert nothing_published(ended)


def test_of_an_input_that_changes_no_rejects_are_left_under_wrong_names(
    nights: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_bytes(FINE + b"bad,x,1,2,\n")
    meanwhile(monkeypatch, "rejects", lambda: (tmp_path / "a.csv").rename(tmp_path / "b.csv"))
    ended = nights(tmp_path, max_rejects=0)
    assert ended.code == 3, ended.stderr
    assert "changed while it was read" in ended.error
    assert nothing_published(ended)
    assert not (ended.output / "refused").exists()


RUNTIME = {
    "an array's element 0": ("element_at(array(1, 2), 0) = 1", "INVALID_INDEX_OF_ZERO"),
    "an element that a row names": ("element_at(array(1, 2), int(crim - 0.5)) = 1", "failed on a row"),
    "an error on purpose": ("raise_error(note) IS NULL", "raise_error is not allowed"),
    "an assertion": ("assert_true(crim > 100) IS NULL", "not allowed"),
    "a pattern that does not compile": ("regexp_extract(note, '(', 1) = 'x'", "failed on a row"),
    "a date pattern that is none": ("to_timestamp(note, 'qqqq') IS NULL", "failed on a row"),
    "a number in another format": ("to_number(note, '999') > 1", "failed on a row"),
    "code of Java's own": ("reflect('java.lang.System', 'getenv') = 'x'", "reflect is not allowed"),
    "today's date": ("current_date() > '2020-01-01'", "current_date is not allowed"),
    "chance": ("rand() > 0.5", "rand is not allowed"),
    "a window": ("row_number() OVER (ORDER BY ID) > 1", "a rule sees one row"),
    "an aggregate": ("sum(prediction) > 1", "a rule sees one row"),
    "a sub-query": ("ID IN (SELECT 'a')", "actions[1].when"),
    "a number for a condition": ("prediction", "not true or false"),
    "a column that is not there": ("predicton > 1", "predicton"),
    "nonsense": ("prediction >", "actions[1].when"),
}


@pytest.mark.parametrize("name", RUNTIME)
def test_a_policy_that_cannot_be_run_is_refused_in_one_line(name: str, nights: Night, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(FINE)
    when, says = RUNTIME[name]
    policy = {"actions": [{"action": "a", "when": when}], "otherwise": "b", "columns": {"ID": "ID"}}
    ended = nights(tmp_path, policy=policy)
    assert ended.code == 4, ended.stderr
    assert says in ended.error
    assert "_staging" not in ended.error
    assert nothing_published(ended)


def with_columns(*names: str, **more: Any) -> dict[str, Any]:
    """The usual schema and further text columns."""
    return {**SCHEMA, "fields": [*SCHEMA["fields"], *({"name": name, "type": "string", **more} for name in names)]}


def test_columns_may_have_the_names_that_the_job_uses_itself(nights: Night, tmp_path: Path) -> None:
    names = ("before", "first_id", "line", "value", "cells", "kind", "n", "k0", "reason", "fault", "rows", "_metadata")
    more, header = "," + ",".join(names), "ID,crim,zn,indus,note," + ",".join(names)
    rows = [f"a,1,2,3,x{more}", f"b,bad,2,3,x{more}", f"a,1,2,3,x{more}", f'c,1,2,3,"x\ny"{more}']
    write([case("names", *rows, header=header)], tmp_path)
    columns = {**POLICY["columns"], **{name: f"`{name}`" for name in names}}
    ended = nights(tmp_path, schema=with_columns(*names), policy={**POLICY, "columns": columns})
    assert ended.code == 0, ended.stderr
    assert [[row[name] for name in names] for row in ended.actions] == [list(names)] * 2
    assert ended.reasons == {3: "type-error:crim", 4: "unique-error:ID"}


@pytest.mark.parametrize("name", ["_reasons", "_Source", "_record", "_na_file", "_NA_shape"])
def test_a_schema_with_a_column_of_the_jobs_own_is_refused(name: str, nights: Night, tmp_path: Path) -> None:
    ended = nights(tmp_path, schema=with_columns(name))
    assert ended.code == 2, ended.stderr
    assert name in ended.error


def test_a_pattern_that_only_python_knows_is_refused(nights: Night, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(FINE)
    ended = nights(tmp_path, schema=with_columns("x", constraints={"pattern": "(?P<x>y)"}))
    assert ended.code == 3, "the column is missing"
    schema = {**SCHEMA, "fields": [*SCHEMA["fields"][:-1], {"name": "note", "constraints": {"pattern": "(?P<x>y)"}}]}
    ended = nights(tmp_path, schema=schema)
    assert ended.code == 2, ended.stderr
    assert "'note'" in ended.error
    assert "Java" in ended.error


def test_parquet_without_a_row_is_no_rows(spark: SparkSession, nights: Night, tmp_path: Path) -> None:
    spark.createDataFrame([], "ID string, crim double, zn double, indus double, note string").write.parquet(
        f"{tmp_path}/p"
    )
    assert nights(f"{tmp_path}/p").code == 3
    ended = nights(f"{tmp_path}/p", min_rows=0)
    assert (ended.code, ended.actions) == (0, [])
