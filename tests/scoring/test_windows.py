"""Records of several lines, put together wherever tasks part the file: by the csv module's own judgement."""

import csv
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.contract.header import Layout
from jobs.scoring import read, records, windows

WIDTH = 3
# one record a line, as it should be; text that goes on, that ends somewhere, that never does; and what is at fault
PIECES = ['"', '"', '""', ",", ",", "a", "é", "\n", "\n", "\r\n", '"b"', '"c,d"', "\nx,y,z\n", '\n1,"2",3\n']


def file_of(seed: int) -> str:
    """Some hundred lines."""
    chosen = random.Random(seed)
    # mostly tame, or nearly no record of several lines would come to a good end
    tame = ["1,2,3\n", '"p ""q""",2,"r\ns"\n', 'u,"v,\n\n,\nw",\r\n', ',,"\r\n"\r\n']
    parts = [chosen.choice(tame) if chosen.random() < 0.6 else chosen.choice(PIECES) for _ in range(100)]
    return "id,x,y\n" + "".join(parts)


def parsed(text: str) -> "int | str":
    """How many cells a record has, or what is wrong with it."""
    try:
        (cells,) = csv.reader([text], strict=True)
    except csv.Error as error:
        return str(error)
    return len(cells)


def as_records(lines: list[str]) -> Iterator[str]:
    """The lines, put together where a cell goes on and the record comes out as wide as it should be."""
    at = 0
    while at < len(lines):
        taken = 1
        while parsed(whole(lines[at : at + taken])) == "unexpected end of data" and at + taken < len(lines):
            taken += 1
        if taken > 1 and parsed(whole(lines[at : at + taken])) != WIDTH:
            taken = 1
        yield whole(lines[at : at + taken])
        at += taken


def whole(lines: list[str]) -> str:
    return "\n".join(lines).removesuffix("\r")


@pytest.fixture
def small_tasks(spark: SparkSession) -> Iterator[None]:
    """Tasks of a few lines: most cells go on from one to another."""
    before = {name: str(spark.conf.get(f"spark.sql.files.{name}")) for name in ("maxPartitionBytes", "openCostInBytes")}
    for name in before:
        spark.conf.set(f"spark.sql.files.{name}", "53")
    yield
    for name, value in before.items():
        spark.conf.set(f"spark.sql.files.{name}", value)


@pytest.mark.parametrize("few", [True, False], ids=["in-the-driver", "by-tasks"])
def test_lines_are_put_together_as_the_csv_module_would(
    few: bool, small_tasks: None, spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not few:
        monkeypatch.setattr(windows, "FEW", -1)
    texts = {f"{seed:03}.csv": file_of(seed) for seed in range(5)}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    layout = Layout("id,x,y", WIDTH, (0, 1, 2))
    files = {f"file://{tmp_path}/{name}": len(text) for name, text in texts.items()}
    source = read.Source({layout: files}, {}, size=sum(files.values()))
    ((_, lines),) = read.csv_lines(spark, source, located=True)
    stitched = windows.stitched(lines, WIDTH)
    assert stitched
    assert stitched.few is few
    found = dict[str, list[str]]()
    for file, *_, line in sorted(map(tuple, windows.stitch(lines, stitched).collect())):
        found.setdefault(file.rpartition("/")[2], []).append(line)
    wanted = {name: list(as_records(text.removesuffix("\n").split("\n"))) for name, text in texts.items()}
    assert found == wanted
    several = [record for name in wanted for record in wanted[name] if "\n" in record]
    assert len(several) > 90


def test_only_lines_that_may_belong_to_others_are_looked_at_one_by_one(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ['1,"two",3'] * 1000
    lines[500] = 'a,"b\nc\nd",e'
    lines[700] = 'a,"b"c,d'
    (tmp_path / "in.csv").write_text("\n".join(["id,x,y", *lines]))
    given = list[str]()
    stitch = records.stitch

    def noted(some: list[records.Line], width: int) -> object:
        given.extend(line[-1] for line in some)
        return stitch(some, width)

    monkeypatch.setattr(records, "stitch", noted)
    source = read.Source({Layout("id,x,y", WIDTH, (0, 1, 2)): {f"file://{tmp_path}/in.csv": 1}}, {}, size=1)
    assert read.broken(spark, source)
    assert given == ['a,"b', "c", 'd",e', 'a,"b"c,d']
    # where none of them turns out to belong to others there is nothing to read anew
    (tmp_path / "in.csv").write_text("\n".join(["id,x,y", *lines[:500], 'a,"b"c,d', 'a,b,"c', *lines[:500]]))
    assert read.broken(spark, source) == {}
