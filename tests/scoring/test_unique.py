"""Two records with one key are suspected wherever they stand and however they are spelled; others are not."""

import gzip
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Optional, Union

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.contract import table_schema
from jobs.handoff import inputs
from jobs.scoring import predict, read, session, splits, unique, validate
from jobs.scoring.counters import SUSPECTS, Counters
from tests.support import parquet
from tests.support.runs import Score

SCHEMA = """{"fields": [{"name": "text", "type": "string"}, {"name": "part", "type": "string"}, {"name": "n", "type": "integer"}],
"primaryKey": %s, "missingValues": ["", "none"]}"""
HEADER = "text,part,n\n"


def suspected(spark: SparkSession, folder: Path, key: str, *files: str) -> bool:
    """Whether `unique` suspects a key that comes twice in `files`."""
    for number, content in enumerate(files):
        (folder / f"{number}.csv").write_text(content)
    schema = table_schema.parse(SCHEMA % key, "schema")
    found = inputs.find((str(folder),))
    source = read.source(spark, found.layouts(schema), [], schema, size=found.size)
    return bool(unique.suspects(spark, source, schema))


MANY = HEADER + "".join(f"t{n},p,{n}\n" for n in range(5000))


@pytest.mark.parametrize(
    ("key", "files", "wanted"),
    [
        pytest.param('"n"', [MANY, HEADER + "x,p,5000\n"], False, id="all-different"),
        pytest.param('"n"', [MANY, HEADER + "x,p,4999\n"], True, id="in-two-files"),
        pytest.param('"n"', [HEADER + "a,p,7\n" + "b,p,7\n"], True, id="side-by-side"),
        pytest.param('"n"', [HEADER + "a,p,7\n" * 3000], True, id="ever-the-same"),
        pytest.param('"n"', [HEADER + "a,p,7\nb,p,007\n"], True, id="one-number-spelled-twice"),
        pytest.param('"part"', [HEADER + "a,7,1\nb,007,1\n"], False, id="two-texts-of-one-number"),
        pytest.param('"n"', [HEADER + "a,p,7\n" + '"a, b",p,7\n'], True, id="behind-a-quoted-comma"),
        pytest.param('"n"', [HEADER + "a,p,7\n" + '"a,7,7",p,8\n'], False, id="not-what-is-quoted"),
        pytest.param('"part"', [HEADER + "a,p,1\n" + 'b,"p",2\n'], True, id="quoted-itself"),
        pytest.param('"part"', [HEADER + 'a,"p""",1\n' + 'b,"p""",2\n'], True, id="with-quotes-inside"),
        pytest.param('"text"', [HEADER + "a,p,1\n" + 'b,"a",2\n'], False, id="quotes-behind-it"),
        pytest.param('["text", "part"]', [HEADER + "a,p,1\na,q,2\nb,p,3\n"], False, id="composite-different"),
        pytest.param('["part", "text"]', [HEADER + "a,p,1\nb,p,2\na,p,3\n"], True, id="composite-same"),
        pytest.param('"text"', [HEADER + ",p,1\n,p,2\nnone,p,3\nnone,p,4\n\n\n"], False, id="missing"),
        pytest.param('"n"', [HEADER + "a,p,1\n", "n,text,part\n1,b,q\n"], True, id="in-another-layout"),
        pytest.param('"n"', [HEADER + "a,p,1\r\nb,p,1\r\n"], True, id="carriage-returns"),
    ],
)
def test_a_key_that_comes_twice_is_suspected(
    key: str, files: list[str], wanted: bool, spark: SparkSession, tmp_path: Path
) -> None:
    assert suspected(spark, tmp_path, key, *files) is wanted


def test_keys_are_held_by_smaller_tasks_than_the_others(spark: SparkSession, tmp_path: Path) -> None:
    size = 1 << 30
    names = ("spark.sql.files.maxPartitionBytes", "spark.sql.shuffle.partitions")
    before = [spark.conf.get(name) for name in names]
    (tmp_path / "long.txt").write_text("x\n" * (20 << 20))
    with splits.small_tasks(spark, size) as tasks:
        assert [spark.conf.get(name) for name in names] == [str(16 << 20), "64"]
        assert tasks == 64
        assert spark.read.text(str(tmp_path)).rdd.getNumPartitions() == 3  # 40 MB
    assert [spark.conf.get(name) for name in names] == before
    with splits.small_tasks(spark, 64 << 30) as tasks:
        assert tasks == 1024  # no smaller than the others


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("order", ["ascending", "overlapping", "random"])
def test_whole_numbers_in_order_or_not_are_told_apart_by_every_task(
    order: str, seed: int, plain: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of each key by file and line is published, whether or not the keys' order might have proven that there is no second."""
    monkeypatch.setattr(splits, "SMALL_BYTES", 0)
    monkeypatch.setattr(splits, "split_bytes", lambda *_: 500)  # several tasks a file
    chance = random.Random(seed)
    keys = chance.sample(range(-3000, 3000), 300)
    if order != "random":
        keys.sort()
    files = [keys[start : start + 100] for start in (0, 100, 200)]
    if order == "overlapping":
        files = [sorted(keys[start::3]) for start in range(3)]
    chance.shuffle(files)
    for _ in range(seed):  # none, one or two of them twice
        into, out_of = chance.choice(files), chance.choice(files)
        key = chance.choice([out_of[0], out_of[-1], chance.choice(out_of)])
        into.insert(chance.choice([0, len(into), chance.randrange(len(into))]), key)
    (tmp_path / "in").mkdir()
    seen: set[int] = set()
    later = []
    for number, some in enumerate(files):
        (tmp_path / "in" / f"{number}.csv").write_text("id,x\n" + "".join(f"{key},1\n" for key in some))
        for line, key in enumerate(some, start=2):
            later += [(f"{number}.csv", line)] if key in seen else []
            seen.add(key)
    schema = {"fields": [{"name": "id", "type": "integer"}, {"name": "x", "type": "number"}], "primaryKey": "id"}
    ended = plain(input=tmp_path / "in", schema=schema, max_rejects="100%")
    assert ended.code == 0, ended.stderr
    assert sorted(int(row["id"]) for row in ended.actions) == sorted(seen)
    assert sorted((Path(row["_source"]).name, int(row["_record"])) for row in ended.rejects) == sorted(later)
    assert len(later) == seed


def deliver(folder: Path, spark: Optional[SparkSession]) -> tuple[dict[str, str], dict[tuple[str, int], str]]:
    """Files with good, bad and repeated rows; with `spark` of two layouts, and one of Parquet.

    Returns the `crim` that the first row of each key has, and the places and reasons of the rows that are rejected.
    """
    draw, names = random.Random(5), ("ID", "crim", "zn", "indus")
    firsts, rejected = dict[str, str](), dict[tuple[str, int], str]()
    folder.mkdir()
    for number, name in enumerate(("a.csv", "b.csv", "c.csv", "d.parquet")[: 4 if spark else 3]):
        rows = [(draw.randrange(3000), draw.choice([number + n / 1000, None, "bad"]), 0.5, n / 10) for n in range(300)]
        if name.endswith("parquet"):
            rows = [(key, crim, zn, indus) for key, crim, zn, indus in rows if isinstance(crim, float)]
        for line, (key, crim, *_) in enumerate(rows, start=1 if name.endswith("parquet") else 2):
            if isinstance(crim, float) and f"{key}" not in firsts:
                firsts[f"{key}"] = f"{crim}"
                continue
            reasons = {"bad": "type-error:crim", "None": "constraint-error:crim"}
            rejected[str(folder / name), line] = reasons.get(f"{crim}", "unique-error:ID")
        if name.endswith("parquet") and spark:
            columns = "required int32 ID; required double crim; required double zn; required double indus;"
            parquet.written(spark, folder / name, columns, *(dict(zip(names, row)) for row in rows))
        else:
            order = -1 if spark and number == 1 else 1
            cells = [["" if cell is None else f"{cell}" for cell in row][::order] for row in (names, *rows)]
            (folder / name).write_text("".join(",".join(row) + "\n" for row in cells))
    return firsts, rejected


@pytest.mark.parametrize("what", ["gathered", "one-layout", "mixed"])
def test_the_first_row_of_a_key_is_scored_as_all_others_are_and_the_later_ones_are_rejected(
    what: str, spark: SparkSession, score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transformed, transform = list[int](), predict.score

    def noted(rows: DataFrame, *given: Any) -> DataFrame:
        transformed.append(rows.count())
        return transform(rows, *given)

    monkeypatch.setattr(predict, "score", noted)
    if what != "gathered":
        monkeypatch.setattr(splits, "SMALL_BYTES", 0)
    monkeypatch.setattr(splits, "split_bytes", lambda *_: 2000)
    firsts, rejected = deliver(tmp_path / "in", spark if what == "mixed" else None)
    policy = {"actions": [], "otherwise": "keep", "columns": {"ID": "ID", "crim": "crim"}}
    ended = score(input=tmp_path / "in", policy=policy, max_rejects="100%")
    assert ended.code == 0, ended.stderr
    assert {row["ID"]: row["crim"] for row in ended.actions} == firsts
    assert len(ended.actions) == len(firsts)
    assert {(row["_source"], int(row["_record"])): row["_reasons"] for row in ended.rejects} == rejected
    # the model was applied by `transform` to the rows of repeated keys only, of which the first ones are published
    later = sum(reason.startswith("unique") for reason in rejected.values())
    (some,) = transformed
    assert later < some < len(firsts)


@pytest.mark.parametrize("gathered_below", [0, 1 << 24])
def test_two_columns_are_one_key_in_whatever_order(
    gathered_below: int, plain: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splits, "SMALL_BYTES", gathered_below)
    fields = [{"name": "id"}, {"name": "part"}, {"name": "x", "type": "number"}]
    (tmp_path / "in.csv").write_text("id,part,x\na,b,1\nb,a,2\na,b,3\na,c,4\na,b,5\n")
    ended = plain(input=tmp_path / "in.csv", schema={"fields": fields, "primaryKey": ["part", "id"]}, max_rejects=2)
    assert ended.code == 0, ended.stderr
    assert ended.reasons == {4: "unique-error:part+id", 6: "unique-error:part+id"}
    assert [row["x"] for row in ended.actions] == ["1.0", "2.0", "4.0"]


def test_keys_are_looked_at_one_after_the_other_the_primary_key_first(plain: Score, tmp_path: Path) -> None:
    fields = [{"name": "id"}, {"name": "x", "type": "number", "constraints": {"unique": True}}]
    (tmp_path / "in.csv").write_text("x,id\n1,a\n1,b\n2,b\n3,a\n3,c\n")
    ended = plain(input=tmp_path / "in.csv", schema={"fields": fields, "primaryKey": "id"}, max_rejects=3)
    assert ended.code == 0, ended.stderr
    # the second b gives way to the first, which then gives way to a; c's rival for 3 was rejected before
    assert ended.reasons == {3: "unique-error:x", 4: "unique-error:id", 5: "unique-error:id"}
    assert [row["id"] for row in ended.actions] == ["a", "c"]


@pytest.mark.parametrize(
    ("files", "proven"),
    [
        pytest.param([range(0, 100), range(200, 300), range(100, 200)], True, id="files-in-any-order"),
        pytest.param([range(0, 100), range(99, 200)], False, id="last-and-first"),
        pytest.param([range(0, 100), range(0, 100)], False, id="the-same-file-twice"),
        pytest.param([range(0, 100), range(50, 60)], False, id="one-within-another"),
        pytest.param([range(100, 0, -1)], False, id="descending"),
        pytest.param([[*range(0, 50), 49, *range(50, 90)]], False, id="side-by-side"),
        pytest.param([[f"Kd-{n:05d}" for n in range(50)], ["50", "x60", "061"]], True, id="texts-that-count"),
        pytest.param([["C9", "C10"], ["C8"]], True, id="texts-that-count-without-zeros"),
        pytest.param([["a7", "b8", "a8"]], False, id="texts-of-one-number"),
        pytest.param([["a7", "a07"]], False, id="one-number-with-a-zero"),
        pytest.param([["anna", "bert"]], False, id="texts-without-a-number"),
        pytest.param([["a1", "7b", "c2"]], False, id="a-number-in-front"),
        pytest.param([["a1", "a99999999999999999999", "a2"]], False, id="a-number-too-long"),
        pytest.param([["a1", "", "a2", ""]], True, id="texts-that-are-missing"),
    ],
)
def test_order_is_a_proof_only_where_no_key_can_come_twice(
    files: list[Iterable[Union[int, str]]],
    proven: bool,
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(splits, "SMALL_BYTES", 0)
    (tmp_path / "in").mkdir()
    for number, keys in enumerate(files):
        (tmp_path / "in" / f"{number}.csv").write_text("x,id\n" + "".join(f"1,{key}\n" for key in keys))
    kind = "string" if isinstance(next(iter(files[0])), str) else "integer"
    fields = [{"name": "id", "type": kind, "constraints": {"unique": True}}, {"name": "x", "type": "integer"}]
    schema = table_schema.parse(json.dumps({"fields": fields}), "schema")
    found = inputs.find((str(tmp_path / "in"),))
    session.start(app_name="tests", schemes={"file"}, size=found.size, files=len(found.files))
    source = read.source(spark, found.layouts(schema), [], schema, size=found.size)
    records = validate.judged(read.rows(spark, source, schema), schema, frozenset())
    watched, _ = unique.watched(records, source, schema)
    counters = Counters(spark, {}, "record", ascending=unique.WATCHED)
    counters.counting(watched).write.format("noop").mode("overwrite").save()
    assert (counters.totals()[SUSPECTS] == 0) is proven


def test_keys_of_compressed_files_are_not_gathered_by_the_size_of_the_file(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = table_schema.parse('{"fields": [{"name": "id", "type": "string"}], "primaryKey": "id"}', "schema")
    text = b"id\n" + b"".join(b"%d\n" % n for n in range(5000))
    (tmp_path / "in.csv.gz").write_bytes(gzip.compress(text))
    monkeypatch.setattr(splits, "SMALL_BYTES", len(text))
    found = inputs.find((str(tmp_path / "in.csv.gz"),))
    assert found.size < len(text)
    source = read.source(spark, found.layouts(schema), [], schema, size=found.size)
    records = validate.judged(read.rows(spark, source, schema), schema, frozenset())
    assert unique.watched(records, source, schema)[1] == []
