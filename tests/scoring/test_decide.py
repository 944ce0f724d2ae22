"""What becomes of a scored row: the first rule that fits, exact budgets, and what a policy may not say."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.support.runs import Score

COLUMNS = {"id": "id", "action": "action"}


def actions_of(plain: Score, tmp_path: Path, xs: Mapping[str, float], policy: dict[str, Any]) -> dict[str, str]:
    """Published id to action, after a run over `xs`."""
    (tmp_path / "in.csv").write_text("id,x\n" + "".join(f"{key},{x}\n" for key, x in xs.items()))
    ended = plain(input=tmp_path / "in.csv", policy={"columns": COLUMNS, **policy})
    assert ended.code == 0, ended.stderr
    summary = ended.summary
    assert summary["rows_read"] == len(xs)
    assert summary["rows_without_action"] == len(xs) - len(ended.actions)
    given = [row["action"] for row in ended.actions]
    assert summary["actions"] == {name: given.count(name) for name in summary["actions"]}
    return {row["id"]: row["action"] for row in ended.actions}


def test_the_first_rule_that_fits_wins_and_budgets_are_exact_with_ties_to_the_smaller_key(
    plain: Score, tmp_path: Path
) -> None:
    xs = {"a": 9, "b": 7, "c": 7, "d": 7, "e": 6, "f": 5, "g": 4, "h": 1}
    rules = [
        {"action": "visit", "when": "prediction > 8"},
        {"action": "call", "when": "prediction >= 5", "limit": 2, "by": "prediction desc"},
        {"action": "write", "when": "prediction >= 4", "limit": 3, "by": "prediction"},
        {"action": "never", "when": "prediction > 4", "limit": 0, "by": "prediction"},
        {"action": "all", "when": "prediction = 7", "limit": 99, "by": "id desc"},
    ]
    expected = {"a": "visit", "b": "call", "c": "call", "g": "write", "f": "write", "e": "write", "d": "all"}
    assert actions_of(plain, tmp_path, xs, {"actions": rules, "otherwise": None}) == expected
    assert actions_of(plain, tmp_path, xs, {"actions": rules, "otherwise": "rest"}) == {**expected, "h": "rest"}


@pytest.mark.parametrize(("order", "called"), [("desc", ["b", "d"]), ("asc", ["a", "d"])])
def test_nan_ranks_above_every_number_and_null_last(
    plain: Score, tmp_path: Path, order: str, called: list[str]
) -> None:
    by = f"CASE id WHEN 'b' THEN double('NaN') WHEN 'c' THEN NULL ELSE x END {order}"
    rules = [{"action": "call", "when": "true", "limit": 2, "by": by}]
    found = actions_of(plain, tmp_path, {"a": 1, "b": 0, "c": 0, "d": 2}, {"actions": rules, "otherwise": "no"})
    assert [key for key, action in sorted(found.items()) if action == "call"] == called


def test_a_condition_that_is_null_does_not_fit(plain: Score, tmp_path: Path) -> None:
    rules = [
        {"action": "one", "when": "nullif(prediction, 1) > 0"},
        {"action": "two", "when": "prediction > 0 -- whatever is left"},
    ]
    assert actions_of(plain, tmp_path, {"a": 1, "b": 2}, {"actions": rules}) == {"a": "two", "b": "one"}


NASTY = [
    "007",
    " lead and trail ",
    'say "so"',
    "a,b",
    "naïve 東京 🏠",
    "=1+1",
    "tab\there",
    "back\\slash",
    "x\ny",
    "CR\rin",
    "'",
]


def test_csv_and_pandas_read_back_exactly_what_was_written(plain: Score, tmp_path: Path) -> None:
    with (tmp_path / "in.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "x"])
        writer.writerows([value, n] for n, value in enumerate(NASTY))
    columns = {
        "n": "CAST(x AS int)",
        "the, id": "id",
        "empty": "''",
        "none": "CAST(NULL AS string)",
        "two": "concat(id, '\\n', id)",
    }
    ended = plain(input=tmp_path / "in.csv", policy={"actions": [], "otherwise": "go", "columns": columns})
    assert ended.code == 0, ended.stderr
    expected = {str(n): value for n, value in enumerate(NASTY)}
    assert {row["n"]: row["the, id"] for row in ended.actions} == expected
    assert {row["n"]: row["two"] for row in ended.actions} == {n: f"{v}\n{v}" for n, v in expected.items()}
    assert {(row["empty"], row["none"]) for row in ended.actions} == {("", "")}
    frame = pd.read_csv(ended.run / "actions.csv", dtype=str, keep_default_na=False, lineterminator="\n")
    assert dict(zip(frame["n"], frame["the, id"], strict=True)) == expected
    text = (ended.run / "actions.csv").read_bytes()
    assert text.startswith(b'n,"the, id",empty,none,two\n')
    assert text.endswith(b"\n")


def test_a_spreadsheet_formula_is_made_harmless_on_request(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,x\n=1+1,1\nplain,-2\n")
    policy = {"actions": [], "otherwise": "go", "columns": {"id": "id", "x": "x"}, "escape_formulas": True}
    ended = plain(input=tmp_path / "in.csv", policy=policy)
    assert {row["id"]: row["x"] for row in ended.actions} == {"'=1+1": "1.0", "plain": "-2.0"}


def test_a_lone_empty_cell_is_no_blank_line(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,x\na,1\nb,2\n")
    policy = {"actions": [], "otherwise": "go", "columns": {"only": "CASE WHEN x > 1 THEN id END"}}
    ended = plain(input=tmp_path / "in.csv", policy=policy)
    assert sorted(row["only"] for row in ended.actions) == ["", "b"]


REFUSED = {
    "reflect": ("reflect('java.lang.System', 'currentTimeMillis') > '0'", "not allowed"),
    "java_method": ("java_method('java.lang.Math', 'random') > '0'", "not allowed"),
    "sub-query": ("x > (SELECT 1)", "not allowed"),
    "exists": ("EXISTS (SELECT 1)", "not allowed"),
    "rand": ("rand() > 0.5", "not allowed"),
    "today": ("current_date() > DATE '2026-01-01'", "not allowed"),
    "today as typed": ("DATE 'today' > DATE '2026-01-01'", "depends on when the job runs"),
    "now as typed": ("timestamp_ltz\t\" NOW\" > TIMESTAMP '2026-01-01 00:00:00'", "depends on when the job runs"),
    "today as cast": ("CAST('today UTC' AS date) > DATE '2026-01-01'", "depends on when the job runs"),
    "today as function": ("to_date('today') > DATE '2026-01-01'", "depends on when the job runs"),
    "yesterday compared": ("DATE '2026-01-01' < lower('YESTERDAY')", "depends on when the job runs"),
    "uuid": ("uuid() > '5'", "not allowed"),
    "file": ("input_file_name() = 'x'", "not allowed"),
    "window": ("row_number() OVER (ORDER BY x) < 3", "a rule sees one row"),
    "aggregate": ("max(x) > 1", "a rule sees one row"),
    "generator": ("explode(array(true, false))", "a rule sees one row"),
    "every column": ("to_json(struct(*)) = ''", "* would include the job's own columns; name the columns you mean"),
    "the action itself": ("action = 'call'", "the columns are id, x, prediction"),
    "unknown column": ("predicton > 1", "the columns are id, x, prediction"),
    "no boolean": ("x + 1", "not true or false"),
    "no SQL": ("x >", "when: 'x >'"),
    "two columns": ("*", "actions[1].when"),
    "an alias": ("x > 1 AS big", "actions[1].when"),
    "brackets astray": ("x > 1) OR (x < 0", "actions[1].when"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_expression_is_refused_before_a_row_is_read(plain: Score, tmp_path: Path, name: str) -> None:
    (tmp_path / "in.csv").write_text("id,x\na,1\n")
    when, said = REFUSED[name]
    policy = {"actions": [{"action": "go", "when": when}], "columns": COLUMNS}
    ended = plain(input=tmp_path / "in.csv", policy=policy, dry_run=True)
    assert ended.code == 4, ended.stderr
    assert said in ended.error
    assert "policy.json: actions[1].when" in ended.error


def test_bytes_that_are_decoded_are_published_as_utf_8(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,x\nw6k=,1\n/2E=,2\n")
    columns = {"id": "id", "text": "decode(unbase64(id), 'UTF-8')", "n": "octet_length(CAST(unbase64(id) AS string))"}
    ended = plain(input=tmp_path / "in.csv", policy={"actions": [], "otherwise": "go", "columns": columns})
    assert ended.code == 0, ended.stderr
    assert {row["id"]: (row["text"], row["n"]) for row in ended.actions} == {
        "w6k=": ("é", "2"),
        "/2E=": ("\ufffda", "2"),
    }


def test_a_word_for_a_day_may_be_a_text(plain: Score, tmp_path: Path) -> None:
    rules = [{"action": "today", "when": "id = 'today' AND DATE '2026-01-02' > DATE '2026-01-01'"}]
    assert actions_of(plain, tmp_path, {"today": 1, "now": 1}, {"actions": rules}) == {"today": "today"}


def test_other_misfits_of_policy_and_columns_are_refused(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,x\na,1\n")
    budget = [{"action": "go", "when": "true", "limit": 1, "by": "x"}]
    keyless = {"fields": plain.defaults["schema"]["fields"]}
    taken = {"fields": [*plain.defaults["schema"]["fields"], {"name": "Action", "type": "string"}]}
    for options, said in (
        ({"policy": {"otherwise": "go", "columns": {"id": "id", "both": "array(x)"}}}, "pick an element"),
        ({"policy": {"otherwise": "go", "columns": {"id": "nope"}}}, "columns.id"),
        ({"policy": {"otherwise": "go", "columns": {"id": "CAST(unbase64(id) AS string)"}}}, "may not be UTF-8"),
        ({"policy": {"otherwise": "go", "columns": {"id": "concat('a', unhex('FF'), id)"}}}, "may not be UTF-8"),
        ({"policy": {"actions": budget, "columns": COLUMNS}, "schema": keyless}, "a limit needs a primaryKey"),
        ({"schema": taken}, "the name 'action' is taken"),
    ):
        (tmp_path / "in.csv").write_text("id,x,Action\na,1,b\n")
        ended = plain(input=tmp_path / "in.csv", dry_run=True, **options)
        assert ended.code == 4, (said, ended.stderr)
        assert said in ended.error


def test_an_expression_that_fails_on_what_a_rejected_row_holds_is_not_asked(score: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("ID,crim,zn,indus\n1,1,18.0,2.31\n2,0,18.0,2.31\n3,2,18.0,2.31\n")
    schema = {
        "fields": [{"name": "ID", "type": "integer"}]
        + [{"name": name, "type": "number", "constraints": {"minimum": 1}} for name in ("crim", "zn", "indus")]
    }
    # there is no element 0, which Spark says by failing
    policy = {
        "actions": [],
        "otherwise": "keep",
        "columns": {"ID": "ID", "k": "element_at(array('a', 'b'), int(crim))"},
    }
    ended = score(input=tmp_path / "in.csv", schema=schema, policy=policy, max_rejects=1)
    assert ended.code == 0, ended.stderr
    assert ended.actions == [{"ID": "1", "k": "a"}, {"ID": "3", "k": "b"}]
    assert ended.reasons == {3: "constraint-error:crim"}
