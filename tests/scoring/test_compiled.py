"""What every row meets is compiled: the JVM leaves a method of more than 8,000 bytes to its interpreter, and nothing says so."""

import re
from pathlib import Path
from typing import Any

import pyspark
import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs import score
from jobs.contract import gates, policy, preflight, saved_model, table_schema
from jobs.contract.agreed import Agreed
from jobs.handoff import inputs
from jobs.scoring import predict, prepare, rejects, session, unique
from tests.support.runs import REPO, SCHEMA

# DontCompileHugeMethods, HugeMethodLimit: the JVM's own figures
COMPILED_BYTES = 8000
EXAMPLE = REPO / "examples/housing"


@pytest.mark.parametrize("keys", ["gathered", "in-order"])
def test_no_method_of_the_example_is_left_to_the_interpreter(
    keys: str, spark: SparkSession, housing_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if keys == "in-order":
        monkeypatch.setattr(session, "SMALL_BYTES", 0)
    schema = table_schema.parse(SCHEMA.read_text(), str(SCHEMA))
    rules = policy.parse((EXAMPLE / "policy.json").read_text(), "policy.json")
    saved = saved_model.parse(inputs.model_metadata(str(housing_model)), str(housing_model))
    needs = preflight.check(saved, schema, where=str(housing_model), running_spark=pyspark.__version__)
    agreed = Agreed(schema, rules, gates.Gates("0", 1, {}), saved, needs)
    found = inputs.find((str(EXAMPLE / "input.csv"),))
    rows = prepare.look(spark, found.layouts(schema), [], agreed, size=found.size)
    assert (unique.WATCHED in rows.records.columns) is (keys == "in-order")
    lines, *_ = score.journey(rows, agreed, predict.load(spark, str(housing_model), saved))
    rejected = rejects._among_all_rows(spark, rows.source, schema, needs.required, None)[0]
    for frame in (lines, rejected):
        sizes = method_sizes(spark, frame)
        assert sizes
        assert max(sizes) <= COMPILED_BYTES


def method_sizes(spark: SparkSession, frame: DataFrame) -> list[int]:
    """Bytes of the largest method of each stage that Spark generates code for."""
    jvm: Any = spark.sparkContext._jvm
    mode = jvm.org.apache.spark.sql.execution.ExplainMode.fromString("codegen")
    spark.conf.set("spark.sql.adaptive.enabled", "false")  # which makes a plan without code, until it runs
    try:
        told: str = frame._jdf.queryExecution().explainString(mode)
    finally:
        spark.conf.unset("spark.sql.adaptive.enabled")
    return [int(size) for size in re.findall(r"maxMethodCodeSize:(\d+)", told)]
