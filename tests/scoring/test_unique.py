"""Two records with one key are suspected wherever they stand and however they are spelled; others are not."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.contract import table_schema
from jobs.handoff import inputs
from jobs.scoring import read, session, unique

SCHEMA = """{"fields": [{"name": "text", "type": "string"}, {"name": "part", "type": "string"}, {"name": "n", "type": "integer"}],
"primaryKey": %s, "missingValues": ["", "none"]}"""
HEADER = "text,part,n\n"


def suspected(spark: SparkSession, folder: Path, key: str, *files: str) -> bool:
    """Whether `unique` suspects a key that comes twice in `files`."""
    for number, content in enumerate(files):
        (folder / f"{number}.csv").write_text(content)
    schema = table_schema.parse(SCHEMA % key, "schema")
    found = inputs.find((str(folder),))
    return unique.suspected(spark, read.source(spark, found.layouts(schema), [], schema, size=found.size), schema)


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
    with session.small_tasks(spark, size) as tasks:
        assert [spark.conf.get(name) for name in names] == [str(16 << 20), "64"]
        assert tasks == 64
        assert spark.read.text(str(tmp_path)).rdd.getNumPartitions() == 3  # 40 MB
    assert [spark.conf.get(name) for name in names] == before
    with session.small_tasks(spark, 64 << 30) as tasks:
        assert tasks == 1024  # no smaller than the others
