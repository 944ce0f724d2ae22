"""The Spark session, with the settings the results depend on fixed here, so that every machine gives the same bytes."""

import os
import sys
from typing import Any, Optional

from pyspark.sql import SparkSession

MAGIC_COMMITTER = "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol"
# one split of a file per task, by size alone: which rows share a part must not depend on the number of cores
SPLIT_BYTES = 64 << 20


def start(*, app_name: str, schemes: set[str]) -> SparkSession:
    """Start or join Spark. `schemes` are those of the run's URIs: S3 settings are made only when needed."""
    builder: Any = SparkSession.builder.appName(app_name)
    settings = {
        "spark.sql.session.timeZone": "UTC",
        # else ${env:NAME} in a policy would publish the environment, and a header could not hold a ${
        "spark.sql.variable.substitute": "false",
        # the same on Spark 3.5 and 4.0: a cast that fails gives null, which the checks then see
        "spark.sql.ansi.enabled": "false",
        "spark.sql.files.minPartitionNum": "1",
        "spark.sql.files.maxPartitionBytes": str(SPLIT_BYTES),
        "spark.sql.files.openCostInBytes": str(1 << 20),
        "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
        "spark.ui.showConsoleProgress": str(sys.stderr.isatty()).lower(),
        # a second copy of a task would write a second copy of its part
        "spark.speculation": "false",
    }
    if schemes & {"s3", "s3a"}:
        settings.update(_s3_settings())
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark: SparkSession = builder.getOrCreate()
    if schemes & {"s3", "s3a"} and _has_class(spark, MAGIC_COMMITTER):
        spark.conf.set("spark.sql.sources.commitProtocolClass", MAGIC_COMMITTER)
    return spark


def partitions(size: int) -> int:
    """How many tasks a shuffle of `size` input bytes gets: by size alone, so that the parts do not depend on the cores."""
    return max(1, -(-size // SPLIT_BYTES))


def _s3_settings() -> dict[str, str]:
    """S3A as boto3 sees the world: the standard AWS environment names the store, the region and the credentials."""
    factory = "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory"
    settings = {
        "spark.hadoop.fs.s3a.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.committer.name": "magic",
        "spark.hadoop.fs.s3a.committer.magic.enabled": "true",
        "spark.hadoop.mapreduce.outputcommitter.factory.scheme.s3a": factory,
        # our own clean-up aborts what a dead run of this output left; a shared bucket's other uploads are not ours
        "spark.hadoop.fs.s3a.committer.abort.pending.uploads": "false",
    }
    endpoint: Optional[str] = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        settings["spark.hadoop.fs.s3a.endpoint"] = endpoint
        settings["spark.hadoop.fs.s3a.path.style.access"] = "true"
        settings["spark.hadoop.fs.s3a.connection.ssl.enabled"] = str(endpoint.startswith("https")).lower()
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ("us-east-1" if endpoint else None)
    if region:
        settings["spark.hadoop.fs.s3a.endpoint.region"] = region
    return settings


def _has_class(spark: SparkSession, name: str) -> bool:
    jvm: Any = spark.sparkContext._jvm
    try:
        jvm.java.lang.Class.forName(name, False, jvm.java.lang.Thread.currentThread().getContextClassLoader())
    except Exception:  # py4j wraps ClassNotFoundException; on EMR the platform's own committer serves
        return False
    return True
