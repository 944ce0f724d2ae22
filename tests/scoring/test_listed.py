"""Spark is told of files that were listed already: what comes of them is what it reads of those that it lists itself."""

import gzip
import os
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.scoring import listed, read, session

OPTIONS = {"lineSep": "\n"}


@pytest.mark.parametrize("cached", ["true", "false"])
def test_listed_files_give_the_rows_and_places_of_those_that_spark_lists(
    cached: str, spark: SparkSession, tmp_path: Path
) -> None:
    folder = tmp_path / "day=1"  # which Spark would take for a column of a partition, had it listed the folder
    folder.mkdir()
    for number, name in enumerate(("a", "b [1]{2},", "c %41 é*?", "d+e#f&g", "large")):
        lines = [f"{name} {n}\r\n" for n in range(200_000 if name == "large" else number)]
        (folder / f"{name}.csv").write_bytes("".join(lines).encode())
    with gzip.open(folder / "packed.csv.gz", "wt") as file:
        file.write("one\ntwo")
    (folder / "another.csv").write_text("not asked for\n")
    files = {f"file://{path}": os.path.getsize(path) for path in folder.iterdir() if path.name != "another.csv"}
    # without a cache of files, and in tasks that read of one file each
    settings = {"spark.sql.hive.manageFilesourcePartitions": cached, "spark.sql.files.maxPartitionBytes": "1m"}
    before = {name: spark.conf.get(name, None) for name in settings}
    for name, value in settings.items():
        spark.conf.set(name, value)
    try:
        told = listed.texts(spark, files, OPTIONS)
        own = spark.read.options(**OPTIONS).text([session.exactly(uri) for uri in files])
        assert told.columns == ["value"]
        rows = [sorted(frame.selectExpr("value", *read.LOCATED[:2]).collect()) for frame in (told, own)]
    finally:
        for name, old in before.items():
            spark.conf.unset(name) if old is None else spark.conf.set(name, old)
    assert rows[0] == rows[1]
    assert len(rows[0]) == 0 + 1 + 2 + 3 + 200_000 + 2
    assert len({row[2] for row in rows[0]}) > 1  # the large one was read by several tasks
