"""What a file may look like, and that its columns are bound by name."""

import gzip
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.contract import table_schema
from jobs.errors import InputRefusedError
from jobs.scoring import read
from tests.support import models, parquet
from tests.support.runs import Ended, Score


def xs(ended: Ended) -> dict[str, float]:
    """Published id to x."""
    assert ended.code == 0, ended.stderr
    return {row["id"]: float(row["x"]) for row in ended.actions}


def test_columns_are_bound_by_name_in_every_file_of_a_folder(plain: Score, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "agreed.csv").write_text("id,x\n001,1.5\n")
    (folder / "turned.csv").write_text("x,id\n2.5,002\n")
    (folder / "more.csv").write_text("note,x,other,id\nn,3.5,o,003\n")
    (folder / "bom.csv").write_bytes(b"\xef\xbb\xbfid,x\n004,4.5\n")
    (folder / "crlf.csv").write_bytes(b"id,x\r\n005,5.5\r\n")
    (folder / "quoted.csv").write_text('"id","x"\n"006","6.5"\n')
    (folder / "no line end.csv").write_bytes(b"id,x\n007,7.5")
    (folder / "blank lines.csv").write_text("id,x\n\n008,8.5\n\n")
    (folder / "a [1] %41 é*.csv").write_text("id,x\n009,9.5\n")
    with gzip.open(folder / "packed.csv.gz", "wt") as file:
        file.write("x,id\n10.5,010\n")
    (folder / "joined.csv.gz").write_bytes(b"".join(map(gzip.compress, (b"", b"i", b"d,x\n012,1", b"2.5\n"))))
    (folder / "_hidden.csv").write_text("not,read\n")
    (folder / "late.csv._COPYING_").write_text("id,x\n099,")  # as Hadoop calls what it has not copied to the end
    (folder / "deeper").mkdir()
    (folder / "deeper" / "in.csv").write_text("id,x\n011,11.5\n")
    ended = plain(input=folder)
    assert xs(ended) == {f"{n:03d}": n + 0.5 for n in range(1, 13)}
    assert ended.summary["rows_read"] == 12
    assert any("_hidden.csv" in note for note in ended.package["notes"])


def test_several_inputs_globs_and_parquet_are_read_together(spark: SparkSession, plain: Score, tmp_path: Path) -> None:
    for name in ("day-1", "day-2", "night-1"):
        (tmp_path / f"{name}.csv").write_text(f"id,x\n{name},1.0\n")
    frame = spark.createDataFrame([(0.1, "p", 5), (1e300, "q", 6)], "x double, id string, other int")
    for key in ("p", "q"):
        frame.where(f"id = '{key}'").coalesce(1).write.mode("append").parquet(f"file://{tmp_path}/parquet")
    for number, path in enumerate((tmp_path / "parquet").glob("*.parquet")):
        path.rename(path.with_name(f"[{number}].parquet"))  # each a glob, if Spark took it for one
    ended = plain(input=[tmp_path / "day-*.csv", tmp_path / "night-1.csv", tmp_path / "parquet"])
    assert xs(ended) == {"day-1": 1.0, "day-2": 1.0, "night-1": 1.0, "p": 0.1, "q": 1e300}
    assert ended.summary["rows_read"] == 5


def test_run_date_is_filled_in_and_options_come_from_a_config_file(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "2026-11-22").mkdir()
    (tmp_path / "2026-11-22" / "in.csv").write_text("id,x\na,1\n")
    config = {"input": str(tmp_path / "{run_date}"), "run-date": "2026-11-01", "max-rejects": "1%"}
    ended = plain(config=config, output=tmp_path / "out-{run_date}")
    assert ended.code == 0, ended.stderr  # the command line's date has won, or there would be no input
    assert (tmp_path / "out-2026-11-22" / "2026-11-22" / "actions.csv").exists()
    for wrong, said in (
        ('{"inputs": "x"}', "no option 'inputs'"),
        ('{"input": "a.csv", "input": "b.csv"}', "'input' appears twice"),
        ('{"run-date": "2026-11-01", "run_date": "2026-11-02"}', "an option appears twice"),
        ("[]", "must be a JSON object"),
        ("{", "not JSON"),
    ):
        (tmp_path / "wrong.json").write_text(wrong)
        ended = plain(config=tmp_path / "wrong.json", input=tmp_path)
        assert ended.code == 2
        assert said in ended.error


@pytest.mark.parametrize(
    ("name", "content", "code", "said"),
    [
        ("missing column", b"id,y\n1,2\n", 3, "in.csv: no column 'x'"),
        ("other case", b"id,X\n1,2\n", 3, "it has 'X': names must match exactly"),
        ("column twice", b"id,x,x\n1,2,3\n", 3, "column 'x' appears 2 times"),
        ("empty file", b"", 3, "in.csv: no header"),
        ("header only", b"id,x\n", 3, "0 rows were read, at least 1 are expected (--min-rows)"),
        ("UTF-16", "id,x\n1,2\n".encode("utf-16"), 3, "in.csv: is not UTF-8"),
        ("bare CR", b"id,x\r1,2\r", 3, "in.csv: its lines end in a bare CR"),
        ("quote open in header", b'id,"x\n1,2\n', 3, "in.csv: the header is not one CSV line"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name(
    plain: Score, tmp_path: Path, name: str, content: bytes, code: int, said: str
) -> None:
    (tmp_path / "in.csv").write_bytes(content)
    ended = plain(input=tmp_path / "in.csv")
    assert (ended.code, ended.summary["status"]) == (code, "refused")
    assert said in ended.error
    assert "rejects.csv" not in ended.error, "no row was rejected"
    assert not list((tmp_path / "out").glob("2026*"))


def test_inputs_that_are_not_there_or_hold_nothing_are_told_apart(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "_x.csv").write_text("id,x\n1,1\n")
    (tmp_path / "in.json").write_text("{}")
    (tmp_path / "latin").mkdir()
    with open(os.fsencode(tmp_path / "latin") + b"/gr\xf6sse.csv", "w") as file:
        file.write("id,x\n1,1\n")
    (tmp_path / "fake.csv.gz").write_text("id,x\n1,1\n")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "in.csv").write_text("id,x\n1,1\n")
    (tmp_path / "linked" / "more").symlink_to(tmp_path / "hidden")
    (tmp_path / "02:15.csv").write_text("id,x\n1,1\n")
    for name, code, said in (
        ("linked", 3, "linked/more: a link to a folder"),
        ("02:15.csv", 3, "02:15.csv: Hadoop reads no file with a colon in its path"),
        ("nowhere", 2, "nowhere: no such input"),
        ("no*.csv", 2, "no*.csv: no such input"),
        ("empty", 3, "empty: no files in it"),
        ("hidden", 3, "hidden: only hidden files"),
        ("hidden/_x.csv", 3, "_x.csv: only hidden files"),
        ("latin", 3, "sse.csv': its name is not UTF-8; rename it"),
        ("in.json", 3, ".json files are not read"),
        ("fake.csv.gz", 3, "fake.csv.gz: is not a complete gzip file"),
    ):
        ended = plain(input=tmp_path / name)
        assert ended.code == code, (name, ended.stderr)
        assert said in ended.error


@pytest.mark.parametrize("packed", [False, True], ids=["csv", "parquet"])
@pytest.mark.parametrize(
    "policy",
    [
        {"actions": [{"action": "call", "when": "1 = 0"}]},
        {"actions": [{"action": "call", "when": "x > 0", "limit": 0, "by": "x desc"}]},
    ],
    ids=["never", "limit-0"],
)
def test_rows_are_counted_where_none_can_get_an_action(
    spark: SparkSession, plain: Score, tmp_path: Path, policy: dict[str, Any], packed: bool
) -> None:
    if packed:
        spark.createDataFrame([("a", 1.0), ("b", 2.0)], "id string, x double").write.parquet(f"file://{tmp_path}/in")
    else:
        (tmp_path / "in").write_text("id,x\na,1\nb,2\n")
    ended = plain(input=tmp_path / "in", policy={**policy, "columns": {"id": "id"}})
    assert ended.code == 0, ended.stderr
    assert (ended.summary["rows_read"], ended.summary["rows_without_action"]) == (2, 2)
    assert ended.actions == []


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("array<string>", "array('a')", "column 'id' is of type array<string>"),
        ("binary", "CAST('a' AS binary)", "column 'id' is of type binary"),
    ],
)
def test_a_parquet_column_that_is_no_cell_is_refused_by_name(
    spark: SparkSession, plain: Score, tmp_path: Path, kind: str, value: str, said: str
) -> None:
    spark.sql(f"SELECT CAST({value} AS {kind}) AS id, 1D AS x").write.parquet(f"file://{tmp_path}/in")
    ended = plain(input=tmp_path / "in")
    assert ended.code == 3
    assert said in ended.error


def test_parquet_columns_that_the_schema_does_not_name_may_be_of_any_type_and_name(
    spark: SparkSession, plain: Score, tmp_path: Path
) -> None:
    ours, others = (
        "required double x; required binary id (UTF8);",
        (
            "optional int64 t (TIMESTAMP(NANOS,true)); optional int64 u (TIME(MICROS,true)); optional int32 v (TIME(MILLIS,true));",
            "optional int32 more; optional int32 MORE;",
            "optional binary _metadata (UTF8);",
        ),
    )
    for number, columns in enumerate(others):
        row = {"id": str(number), "x": number + 0.5}
        parquet.written(spark, tmp_path / "in" / f"{number}.parquet", columns + ours, row)
    ended = plain(input=tmp_path / "in")
    assert xs(ended) == {"0": 0.5, "1": 1.5, "2": 2.5}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("required int64 x (TIMESTAMP(NANOS,true)); optional binary id (UTF8);", "column 'x' is of a type that Spark"),
        ("required double x; required double X; optional binary id (UTF8);", "has 'X' beside column 'x'"),
    ],
    ids=["nanoseconds", "alike"],
)
def test_a_parquet_column_that_spark_cannot_give_is_refused_by_name(
    spark: SparkSession, plain: Score, tmp_path: Path, columns: str, said: str
) -> None:
    path = parquet.written(spark, tmp_path / "in.parquet", columns)
    ended = plain(input=path)
    assert ended.code == 3
    assert f"{path}: {said}" in ended.error


def test_old_days_in_parquet_are_read_as_they_stand_there(spark: SparkSession, plain: Score, tmp_path: Path) -> None:
    at, epoch = datetime(1582, 10, 4, 1, 2, 3, tzinfo=timezone.utc), datetime(1970, 1, 1, tzinfo=timezone.utc)
    days, rest = divmod(at - epoch, timedelta(days=1))
    julian = (rest // timedelta(microseconds=1) * 1000).to_bytes(8, "little") + (days + 2440588).to_bytes(4, "little")
    context: Any = spark.sparkContext
    binary = context._jvm.org.apache.parquet.io.api.Binary.fromConstantByteArray(julian)
    row = {"id": "a", "day": days, "at": (at - epoch) // timedelta(microseconds=1), "legacy": binary}
    columns = "required binary id (UTF8); required int32 day (DATE); required int64 at (TIMESTAMP(MICROS,true)); required int96 legacy;"
    parquet.written(spark, tmp_path / "in.parquet", columns, row)
    kinds = {"id": "string", "day": "date", "at": "datetime", "legacy": "datetime"}
    schema = {"fields": [{"name": name, "type": kind} for name, kind in kinds.items()]}
    model = models.sql_model("SELECT *, 1 AS prediction FROM __THIS__", tmp_path / "model")
    policy = {"actions": [], "otherwise": "keep", "columns": {name: name for name in kinds}}
    ended = plain(input=tmp_path / "in.parquet", model=model, schema=schema, policy=policy)
    assert ended.code == 0, ended.stderr
    then = "1582-10-04T01:02:03Z"
    assert ended.actions == [{"id": "a", "day": "1582-10-04", "at": then, "legacy": then}]


def test_a_parquet_file_is_told_by_its_ending_however_that_is_written(
    spark: SparkSession, plain: Score, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for number, ending in enumerate(("pq", "PARQUET", "Pq")):
        row = {"id": ending, "x": float(number)}
        parquet.written(spark, tmp_path / "in" / f"in.{ending}", "required binary id (UTF8); required double x;", row)
    ended = plain(input=tmp_path / "in")
    assert xs(ended) == {"pq": 0.0, "PARQUET": 1.0, "Pq": 2.0}


def test_a_parquet_file_that_has_gone_is_not_called_damaged(spark: SparkSession, tmp_path: Path) -> None:
    schema = table_schema.parse('{"fields": [{"name": "id"}]}', "schema.json")
    with pytest.raises(Exception, match="does not exist") as raised:
        read.source(spark, {}, [f"file://{tmp_path}/gone.parquet"], schema, size=1)
    assert not isinstance(raised.value, InputRefusedError)


def test_bytes_in_parquet_that_are_no_characters_are_an_encoding_error(
    spark: SparkSession, plain: Score, tmp_path: Path
) -> None:
    rows = "SELECT CAST(unhex('5AFC') AS string) AS id, 1D AS x UNION ALL SELECT 'é', 2D UNION ALL SELECT NULL, 3D"
    spark.sql(rows).coalesce(1).write.parquet(f"file://{tmp_path}/in")
    ended = plain(input=tmp_path / "in", max_rejects="100%")
    assert ended.code == 0, ended.stderr
    assert [row["id"] for row in ended.actions] == ["é"]
    assert sorted(ended.reasons.values()) == ["constraint-error:id", "encoding-error:id"]


def test_a_header_alone_is_published_where_no_rows_are_expected(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,x\n")
    ended = plain(input=tmp_path / "in.csv", min_rows=0)
    assert ended.code == 0, ended.stderr
    assert (ended.run / "actions.csv").read_text() == "id,x,action\n"
    assert ended.summary["rows_read"] == 0


def test_a_truncated_gzip_is_refused_by_name(plain: Score, tmp_path: Path) -> None:
    whole = gzip.compress("".join(["id,x\n", *(f"{n},{n * n}\n" for n in range(20000))]).encode())
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    ended = plain(input=tmp_path / "cut.csv.gz")
    assert ended.code == 3
    assert "cut off" in ended.error
    assert "cut.csv.gz" in ended.error
    assert not ended.left_behind


def test_a_parquet_file_without_a_column_is_refused_by_name(spark: SparkSession, plain: Score, tmp_path: Path) -> None:
    frame = spark.createDataFrame([(1.0,)], "X double")
    frame.write.parquet(f"file://{tmp_path}/parquet")
    ended = plain(input=tmp_path / "parquet")
    assert ended.code == 3
    assert ".parquet: no column 'id'" in ended.error
