"""Every row is accounted for: which rows are rejected, with which reason, and where they stood."""

import csv
from pathlib import Path
from typing import Any, Optional

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.scoring import aside, gaps, rejects, splits, unique
from tests.support import models
from tests.support.runs import Score, table

TYPES: dict[str, Any] = {
    "fields": [
        {"name": "id", "type": "string", "constraints": {"maxLength": 6, "pattern": "[a-z0-9]+"}},
        {"name": "n", "type": "integer", "constraints": {"minimum": 0}},
        {"name": "x", "type": "number", "constraints": {"maximum": 1000}},
        {"name": "day", "type": "date", "constraints": {"minimum": "2000-01-01"}},
        {"name": "at", "type": "datetime"},
        {"name": "yes", "type": "boolean"},
        {"name": "kind", "type": "string", "constraints": {"enum": ["a", "b"], "required": True}},
        {"name": "price", "type": "number", "spark:type": "decimal(6,2)"},
    ],
    "missingValues": ["", "NA"],
}
COLUMNS = [field["name"] for field in TYPES["fields"]]
# a row and its reason; "" for a good one
ROWS = [
    ("ok1,1,1.5,2024-02-29,2024-01-01T00:00:00Z,true,a,1.25", ""),
    ("ok2,,,,,,b,", ""),
    ("ok3, 5 ,1e2,NA,2024-01-01 00:00:00,0,a,-0.1", ""),
    ("t1,1.0,1,,,,a,", "type-error:n"),
    ("t2,1,1d,,,,a,", "type-error:x"),
    ("t3,1,NaN,,,,a,", "type-error:x"),
    ("t4,1,-Infinity,,,,a,", "type-error:x"),
    ("t5,1,1e999,,,,a,", "type-error:x"),
    ("t6,1,1,2024-02-30,,,a,", "type-error:day"),
    ("t7,1,1,24-2-3,2024-01-01,,a,", "type-error:day;type-error:at"),
    ("t8,1,1,,,yes,a,", "type-error:yes"),
    ("t9,1,1,,,,a,1.255", "type-error:price"),
    ("t10,99999999999999999999,1,,,,a,12345.5", "type-error:n;type-error:price"),
    ("c1,-1,1,,,,a,", "constraint-error:n"),
    ("c2,1,1000.5,,,,a,", "constraint-error:x"),
    ("c3,1,1,1999-12-31,,,a,", "constraint-error:day"),
    ("c4,1,1,,,,c,", "constraint-error:kind"),
    ("c5,1,1,,,,,", "constraint-error:kind"),
    ("c6,1,1,,,,NA,", "constraint-error:kind"),
    ("toolong,1,1,,,,a,", "constraint-error:id"),
    ("C7,1,1,,,,a,", "constraint-error:id"),
    ("s1,1,1,,,,a", "missing-cell:price"),
    ("s2", ";".join(f"missing-cell:{name}" for name in COLUMNS[1:])),
    ("l1,1,1,,,,a,,", "extra-cell"),
    ('q1,1,1,,,,"a,', "unbalanced-quote"),
    ("e\udcff1,1,1,,,,a,", "encoding-error:id"),
    (",".join(COLUMNS), "repeated-header"),
]


def test_each_bad_row_is_rejected_with_its_reason_its_line_and_its_cells(
    spark: SparkSession, plain: Score, tmp_path: Path
) -> None:
    lines = [",".join(COLUMNS), *(row for row, _ in ROWS)]
    (tmp_path / "in.csv").write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
    policy = {"actions": [], "otherwise": "keep", "columns": {name: name for name in COLUMNS}}
    model = models.sql_model("SELECT *, 1.0D AS prediction FROM __THIS__", tmp_path / "model")
    # a row with one code for two columns counts once
    limits = {"nightly:maxRejects": {"type-error": 10, "missing-cell": 2, "missing-cell:n": 1}}
    ended = plain(input=tmp_path / "in.csv", model=model, schema={**TYPES, **limits}, policy=policy, max_rejects="100%")
    assert ended.code == 0, ended.stderr
    expected = {number: reason for number, (_, reason) in enumerate(ROWS, start=2) if reason}
    assert ended.reasons == expected
    assert [int(row["_record"]) for row in ended.rejects] == sorted(expected)
    assert {row["_source"] for row in ended.rejects} == {str(tmp_path / "in.csv")}
    assert ended.summary["rows_read"] == len(ROWS)
    assert ended.summary["rows_rejected"] == len(expected)
    assert ended.summary["rows_published"] == 3
    tally = [reason for reasons in expected.values() for reason in reasons.split(";")]
    assert ended.summary["rejected_by_reason"] == {reason: tally.count(reason) for reason in tally}
    by_id = {row["id"]: row for row in ended.rejects}
    assert by_id["t7"]["day"] == "24-2-3"
    assert by_id["C7"]["kind"] == "a"
    assert by_id["q1"]["kind"] == '"a'  # cut at the commas, since the quotes do not say where it ends
    published = {row["id"]: row for row in ended.actions}
    assert published["ok2"] == {**dict.fromkeys(COLUMNS, ""), "id": "ok2", "kind": "b"}
    ok1 = "ok1,1,1.5,2024-02-29,2024-01-01T00:00:00Z,true,a,1.25"
    assert ",".join(published["ok1"].values()) == ok1
    assert ",".join(published["ok3"].values()) == "ok3,5,100.0,,2024-01-01T00:00:00Z,false,a,-0.10"


@pytest.mark.parametrize(
    ("values", "cells", "wanted"),
    [
        (['"NA"', "-"], ['"""NA"""', "-", '"-"', '"2"', "NA"], ["", "", "", "2", None]),
        (["n\ufffda", "-"], ["n\udcffa", "n\ufffda", "-", "2", "na"], ["", "", "", "2", None]),
    ],
    ids=["quotes", "no-character"],
)
def test_a_missing_value_may_have_quotes_or_what_is_no_character(
    values: list[str], cells: list[str], wanted: list[Optional[str]], plain: Score, tmp_path: Path
) -> None:
    lines = ["id,x,y", *(f"{n},{n},{cell}" for n, cell in enumerate(cells))]
    (tmp_path / "in.csv").write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
    fields = [*plain.defaults["schema"]["fields"], {"name": "y", "type": "integer"}]
    policy = {"actions": [], "otherwise": "keep", "columns": {"id": "id", "y": "y"}}
    schema = {"fields": fields, "missingValues": values}
    ended = plain(input=tmp_path / "in.csv", schema=schema, policy=policy, max_rejects="100%")
    assert ended.code == 0, ended.stderr
    assert ended.reasons == {n + 2: "type-error:y" for n, y in enumerate(wanted) if y is None}
    assert [row["y"] for row in ended.actions] == [y for y in wanted if y is not None]


def test_rejects_can_be_corrected_and_fed_back(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('id,x\n"a, ""b""",one\nc,2\n')
    first = plain(input=tmp_path / "in.csv", max_rejects=1)
    text = (first.run / "rejects.csv").read_text(encoding="utf-8")
    (tmp_path / "again.csv").write_text(text.replace("one", "1"), encoding="utf-8")
    again = plain(input=tmp_path / "again.csv", output=tmp_path / "again")
    assert [(row["id"], row["x"]) for row in again.actions] == [('a, "b"', "1.0")]


@pytest.mark.parametrize(
    ("more", "name", "quoting"),
    [
        ([], "g", csv.QUOTE_MINIMAL),
        ([], "g", csv.QUOTE_ALL),
        ([f"m{n}" for n in range(40)], "g", csv.QUOTE_ALL),
        ([], "g\nh", csv.QUOTE_ALL),
    ],
    ids=["plain", "quoted", "many-columns", "line-break"],
)
def test_a_fault_that_its_cells_do_not_show_is_one_until_its_reason_is_taken_away(
    plain: Score, tmp_path: Path, more: list[str], name: str, quoting: int
) -> None:
    faults = ["extra-cell", "unbalanced-quote", "missing-cell:x", "missing-cell:x;missing-cell:y", "unique-error:id"]
    faults += ["repeated-header", "uncorrected"]
    mended = ["", "type-error:x", "constraint-error:x;type-error:y", "extra-cells of mine"]
    with (tmp_path / "in.csv").open("w", newline="") as file:
        writer = csv.writer(file, quoting=quoting)  # type: ignore[arg-type]
        writer.writerow([*more, "id", "x", "_reasons", "_source", "_record"])
        writer.writerows([*more, f"{name}{n}", 1, reason, "a.csv", 2] for n, reason in enumerate(faults + mended))
    ended = plain(input=tmp_path / "in.csv", max_rejects="100%")
    assert [(row["id"], row["_reasons"]) for row in ended.rejects] == [
        (f"{name}{n}", "uncorrected") for n in range(len(faults))
    ]
    assert [row["id"] for row in ended.actions] == [f"{name}{len(faults) + n}" for n in range(len(mended))]


@pytest.mark.parametrize("name", ["a", "a\nb"], ids=["one-line", "line-break"])
def test_the_cells_of_a_header_that_comes_again_are_shown(plain: Score, tmp_path: Path, name: str) -> None:
    (tmp_path / "in.csv").write_text(f'id,"x"\n"{name}",1\nid,"x"\nc,2\n')
    (again,) = plain(input=tmp_path / "in.csv", max_rejects=1).rejects
    assert (again["id"], again["x"], again["_reasons"]) == ("id", "x", "repeated-header")


def test_with_more_rejects_than_allowed_nothing_is_published(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,x\na,1\nb,two\nc,\nd,4\n")
    refused = plain(input=tmp_path / "in.csv", max_rejects=1)
    assert refused.code == 3
    assert "2 of 4 rows rejected" in refused.error
    assert "type-error:x: 1" in refused.error
    assert "--max-rejects 2" in refused.error
    assert f"{refused.run}/rejects.csv" in refused.error
    assert refused.reasons == {3: "type-error:x", 4: "model-output:prediction"}
    assert (refused.run / "summary.json").exists()
    assert sorted(path.name for path in refused.output.iterdir()) == ["refused"]
    assert plain(input=tmp_path / "in.csv", max_rejects="50%").code == 0


@pytest.mark.parametrize(("last", "code"), [("c", 0), ("a", 1)], ids=["proven", "repeated"])
def test_only_keys_that_may_be_repeated_are_looked_for_beside_what_the_model_could_not_take(
    plain: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str, code: int
) -> None:
    def looked_for(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("jobs.scoring.unique.repeats", looked_for)
    (tmp_path / "in.csv").write_text(f"id,x\na,1\nb,\n{last},2\n")
    ended = plain(input=tmp_path / "in.csv", max_rejects="100%")
    assert ended.code == code, ended.stderr
    assert code or ended.reasons == {3: "model-output:prediction"}


def test_a_file_of_bad_rows_only_is_accounted_for(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,x\na,one\nb,two\n")
    ended = plain(input=tmp_path / "in.csv", max_rejects="100%")
    assert ended.code == 0, ended.stderr
    assert (ended.summary["rows_read"], ended.summary["rows_rejected"], ended.actions) == (2, 2, [])


# rows of suspected keys are looked at alone, or all rows; the late reasons go to where those are, or all rows to the reasons
@pytest.mark.parametrize(
    ("many", "note"),
    [((), ""), ((gaps,), ""), ((unique,), ""), ((unique, rejects), ""), ((), "a\nb")],
    ids=["known", "to-be-found", "all-rows", "very-many", "with-line-ends"],
)
def test_the_first_of_each_key_by_file_and_line_is_published(
    plain: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: tuple[Any, ...], note: str
) -> None:
    looked_at, first_of_each = list[str](), unique.first_of_each

    def noted(*given: Any) -> DataFrame:
        looked_at.append("all")
        return first_of_each(*given)

    monkeypatch.setattr(unique, "first_of_each", noted)
    monkeypatch.setattr(splits, "SMALL_BYTES", 0)
    for module in many:
        monkeypatch.setattr(module, "FEW", 1)
    monkeypatch.setattr(splits, "split_bytes", lambda *_: 2000)  # several blocks a file, several tasks a shuffle
    folder = tmp_path / "in"
    folder.mkdir()
    seen: dict[str, tuple[str, int]] = {}
    late: list[tuple[str, int]] = []
    for name in ("b.csv", "a b.csv", "z.csv", "é.csv", "a!.csv"):
        notes = (f'"{note}"' if n % 50 == 7 else "" for n in range(500))
        rows = (f"k{n * 7919 % 400},{n},{each}\n" for n, each in enumerate(notes))
        (folder / name).write_text("id,x,note\n" + "".join(rows))
    for name in sorted(path.name for path in folder.iterdir()):
        line = 2
        for row in table(folder / name):
            if row["id"] in seen:
                late.append((str(folder / name), line))
            else:
                seen[row["id"]] = (row["x"], line)
            line += 1 + row["note"].count("\n")
    ended = plain(input=folder, max_rejects="100%")
    assert ended.code == 0, ended.stderr
    assert {row["id"]: row["x"] for row in ended.actions} == {key: f"{x}.0" for key, (x, _) in seen.items()}
    assert len(ended.actions) == len(seen)
    assert sorted((row["_source"], int(row["_record"])) for row in ended.rejects) == sorted(late)
    assert ended.summary["rejected_by_reason"] == {"unique-error:id": len(late)}
    assert bool(looked_at) is (unique in many)


@pytest.mark.parametrize(
    "tasks", ["several-files-each", "one-file-each", "too-many-to-set-aside", "too-many-for-one-task"]
)
def test_a_rejected_row_is_found_by_name_and_line_whatever_the_file_is_called(
    tasks: str, spark: SparkSession, plain: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splits, "SMALL_BYTES", 1 << 24 if tasks == "several-files-each" else 0)
    if tasks == "too-many-for-one-task":
        monkeypatch.setattr(rejects, "FEW", 1)
    if tasks.startswith("too-many"):
        monkeypatch.setattr(aside, "MOST_OF_A_TASK", 10)
    looked_at, among_all_rows = list[str](), rejects._among_all_rows

    def noted(*given: Any, **more: Any) -> DataFrame:
        looked_at.append(tasks)
        return among_all_rows(*given, **more)

    monkeypatch.setattr(rejects, "_among_all_rows", noted)
    # two files a task, or several blocks a file
    monkeypatch.setattr(splits, "split_bytes", lambda *_: 50_000 if tasks == "several-files-each" else 2000)
    # as many for the pass over the keys, but others
    monkeypatch.setattr(splits, "SMALL_SPLIT_BYTES", 1950)
    folder = tmp_path / "in"
    (folder / "x=1").mkdir(parents=True)
    names = ["b.csv", "a b.csv", "é+%20.csv", "x=1/c#1.csv"]
    wanted = set()
    for at, name in enumerate(names):
        bad = {3 + at, 400, 601}
        wanted |= {(str(folder / name), line) for line in bad}
        cells = ("bad" if line in bad else str(line) for line in range(2, 602))
        (folder / name).write_text("id,x\n" + "".join(f"{at}-{n},{cell}\n" for n, cell in enumerate(cells)))
    ended = plain(input=folder, max_rejects="100%")
    assert ended.code == 0, ended.stderr
    assert [(row["_source"], int(row["_record"])) for row in ended.rejects] == sorted(wanted)
    assert ended.summary["rejected_by_reason"] == {"type-error:x": len(wanted)}
    assert bool(looked_at) is (tasks != "one-file-each")
    java: Any = spark
    assert java._jsparkSession.sharedState().cacheManager().isEmpty()


def test_lines_are_counted_right_beside_a_cell_with_line_ends(plain: Score, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text("id,x\na1,1\na2,bad\n")
    (folder / "b.csv").write_text('id,x\nb1,1\n"b\n2",2\nb3,bad\n"b4,4\nb1,5\n')
    (folder / "c.csv").write_text("id,x\nc1,1\nc2,bad\n")
    ended = plain(input=folder, max_rejects="100%")
    assert ended.code == 0, ended.stderr
    places = {(Path(row["_source"]).name, int(row["_record"])): row["_reasons"] for row in ended.rejects}
    assert places == {
        ("a.csv", 3): "type-error:x",
        ("b.csv", 5): "type-error:x",
        ("b.csv", 6): "unbalanced-quote",
        ("b.csv", 7): "unique-error:id",
        ("c.csv", 3): "type-error:x",
    }
    assert sorted(row["id"] for row in ended.actions) == ["a1", "b\n2", "b1", "c1"]


def test_a_schema_may_set_its_own_limit_for_a_reason(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,x\na,1\nb,two\n")
    schema = {**plain.defaults["schema"], "nightly:maxRejects": {"type-error": "10%"}}
    ended = plain(input=tmp_path / "in.csv", max_rejects="100%", schema=schema)
    assert ended.code == 3
    assert "rejected for type-error" in ended.error
