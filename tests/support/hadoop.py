"""Settings of the Hadoop that Spark brings, for a while."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyspark.sql import SparkSession


@contextmanager
def settings(spark: SparkSession, values: Mapping[str, str]) -> Iterator[None]:
    """In the block Hadoop has these settings, as if a platform had set them."""
    context: Any = spark.sparkContext
    hadoop = context._jsc.hadoopConfiguration()
    for name, value in values.items():
        hadoop.set(name, value)
    try:
        yield
    finally:
        for name in values:
            hadoop.unset(name)
