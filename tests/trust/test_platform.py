"""What a platform sets changes nothing: what could lose a file or read the job's SQL in another way is the job's own."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.support import hadoop
from tests.trust.conftest import POLICY, Night, write
from tests.trust.corpus import broken, case, texts
from tests.trust.refusals import MANY

SETTINGS = {
    "spark.sql.files.ignoreCorruptFiles": "true",
    "spark.sql.files.ignoreMissingFiles": "true",
    "spark.sql.files.maxRecordsPerFile": "2000",
    "spark.sql.parser.escapedStringLiterals": "true",
    "spark.sql.parser.quotedRegexColumnNames": "true",
    "spark.sql.caseSensitive": "true",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.broadcastTimeout": "0",
    "spark.sql.codegen.wholeStage": "false",
}
HADOOPS = {
    "mapreduce.output.fileoutputformat.compress": "true",
    "mapreduce.input.linerecordreader.line.maxlength": "5000",
}


@pytest.fixture
def platform(spark: SparkSession) -> Iterator[None]:
    """A platform of other habits."""
    before = {name: spark.conf.get(name) for name in SETTINGS}
    for name, value in SETTINGS.items():
        spark.conf.set(name, value)
    with hadoop.settings(spark, HADOOPS):
        yield
    for name, old in before.items():
        spark.conf.set(name, str(old))


def test_a_file_that_is_cut_off_is_refused_though_the_platform_passes_over_such(
    platform: None, nights: Night, tmp_path: Path
) -> None:
    packed = gzip.compress(MANY)
    (tmp_path / "in.csv.gz").write_bytes(packed[: len(packed) // 2])
    ended = nights(tmp_path)
    assert ended.code == 3, ended.stderr
    assert "cut off or damaged" in ended.error


def test_the_same_bytes_are_published(nights: Night, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    long = case("long", "{id},0.5,18,2.25," + "a" * 10_000)
    folder = write([long, *texts(), *broken()], tmp_path / "in")
    policy = {
        "actions": [{"action": "it's \\ \\n", "when": "NOTE LIKE '%a%' AND crim > 0.5"}],
        "otherwise": "\\u0041",
        "columns": {
            **POLICY["columns"],
            "ACTION": "action",
            "zoned": "CAST('2026-01-01 00:00:00+05:00' AS TIMESTAMP)",
            "product": "CAST(crim AS DECIMAL(38,18)) * CAST(2 AS DECIMAL(38,18))",
        },
    }
    usual = nights(folder, policy=policy)
    assert usual.code == 0, usual.stderr
    request.getfixturevalue("platform")
    other = nights(folder, policy=policy)
    assert other.code == 0, other.stderr
    for name in ("actions.csv", "rejects.csv"):
        assert (other.run / name).read_bytes() == (usual.run / name).read_bytes()
    assert "a" * 10_000 in {row["note"] for row in usual.actions}
    assert {row["zoned"] for row in usual.actions} == {"2025-12-31T19:00:00Z"}
    assert "1.000000" in {row["product"] for row in usual.actions}
    assert len(usual.rejects) > 20
