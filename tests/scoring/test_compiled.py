"""What every row meets is compiled: the JVM leaves a method of more than 8,000 bytes to its interpreter, and nothing says so."""

import re
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.contract import table_schema
from jobs.handoff import inputs
from jobs.scoring import read, rejects, validate
from tests.support.runs import REPO, SCHEMA

# DontCompileHugeMethods, HugeMethodLimit: the JVM's own figures
COMPILED_BYTES = 8000


@pytest.mark.parametrize("which", ["actions", "rejects"])
def test_no_method_of_the_example_is_left_to_the_interpreter(which: str, spark: SparkSession) -> None:
    schema = table_schema.parse(SCHEMA.read_text(), str(SCHEMA))
    found = inputs.find((str(REPO / "examples/housing/input.csv"),))
    source = read.source(spark, found.layouts(schema), [], schema, size=found.size)
    required = frozenset(schema.names)
    if which == "actions":
        frame = validate.check(read.rows(spark, source, schema), schema, required, None)
    else:
        frame = rejects.collect(spark, source, schema, required, None)
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
