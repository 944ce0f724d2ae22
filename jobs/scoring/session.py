"""The Spark session, with the settings the results depend on fixed here, so that every machine gives the same bytes."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, suppress
from typing import Any, Optional

from py4j.java_gateway import JavaPackage
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.sql import SparkSession

from jobs import jvm
from jobs.errors import JobError
from jobs.scoring import splits
from jobs.scoring.calls import calls_of, java_class

MAGIC_COMMITTER = "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol"
PATIENCE_SECONDS = 15.0
ENDED_SECONDS = 1.0
# what py4j makes of a JVM that is gone, and a pool of a thread that could not begin without it
SILENT = (Py4JError, ConnectionRefusedError, ConnectionResetError, BrokenExecutor)
# classes that PySpark asks for by these names with every column it makes
ASKED_OFTEN = {"functions": "org.apache.spark.sql.functions", "PythonUtils": "org.apache.spark.api.python.PythonUtils"}
# each wait is twice the one before, so that a limit of 8 from half a second on is two minutes, and 20 would be six days
S3A_PATIENCE = {
    "fs.s3a.attempts.maximum": "3",
    "fs.s3a.retry.limit": "6",
    "fs.s3a.retry.interval": "500ms",
    "fs.s3a.retry.throttle.limit": "8",
    "fs.s3a.retry.throttle.interval": "500ms",
    "fs.s3a.connection.timeout": "60000",
}

# what the results depend on, and what a night needs, whatever a platform has set for others (docs/decisions/0005)
FIXED = {
    "spark.sql.session.timeZone": "UTC",
    # else ${env:NAME} in a policy would publish the environment, and a header could not hold a ${
    "spark.sql.variable.substitute": "false",
    # the same on Spark 3.5 and 4.0: a cast that fails gives null, which the checks then see
    "spark.sql.ansi.enabled": "false",
    # and a decode of what is no UTF-8 gives U+FFFD, where Spark 4 would end the run
    "spark.sql.legacy.codingErrorAction": "true",
    "spark.sql.files.minPartitionNum": "1",
    # a platform's own must not lose a file, nor read SQL in another way
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.parser.escapedStringLiterals": "false",
    "spark.sql.parser.quotedRegexColumnNames": "false",
    "spark.sql.caseSensitive": "false",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.decimalOperations.allowPrecisionLoss": "true",
    # a file of Spark's says itself which calendar its old days are of; those of others have the one of ISO 8601
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    # above this many bytes of byte code the JVM leaves a method to its interpreter; Spark then makes several of it
    "spark.sql.codegen.hugeMethodLimit": "8000",
    # lists of hashes, each of which has its place: nothing to be sorted
    "spark.sql.objectHashAggregate.sortBased.fallbackThreshold": str(1 << 20),
    # else 10,000 files are listed by as many tasks, each of which takes longer to start than to list
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "16",
    "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
    # what a task gathers of an exchange is unpacked to many times its size
    "spark.sql.adaptive.advisoryPartitionSizeInBytes": "8m",
    # of a join, as ALS has two, it writes a column out as what it is made of, cells and all: for some, planning took for ever
    "spark.sql.optimizer.dynamicPartitionPruning.enabled": "false",
    # they replace a plan that has no rows or turns out to have none, and with it the counts of those that were read
    "spark.sql.optimizer.excludedRules": "org.apache.spark.sql.catalyst.optimizer.PruneFilters",
    "spark.sql.adaptive.optimizer.excludedRules": "org.apache.spark.sql.execution.adaptive.AQEPropagateEmptyRelation",
    # else a regular expression without enough stack ends the JVM, on one machine the driver's too, before it is told
    "spark.executor.killOnFatalError.depth": "0",
    # what goes to all tasks may be of a pass over all rows, which takes as long as it takes
    "spark.sql.broadcastTimeout": "-1",
    # a second copy of a task would write a second copy of its part
    "spark.speculation": "false",
}


def start(
    *,
    app_name: str,
    schemes: set[str],
    size: int = splits.MOST_SPLIT_BYTES,
    unpacked: Optional[int] = None,
    files: int = 1,
) -> SparkSession:
    """Start or join Spark. `schemes` are those of the run's URIs, for S3's settings.

    `size` is the input's in bytes, in `files`, and `unpacked` that of its rows, where that is more.
    """
    # by size and number of files alone, so that the parts do not depend on the number of cores
    apart = size >= splits.SMALL_BYTES and files <= splits.FEW_FILES
    settings = {
        **FIXED,
        **splits.task_settings(size, splits.split_bytes(size, files), apart=apart),
        "spark.ui.showConsoleProgress": str(sys.stderr.isatty()).lower(),
    }
    if schemes & {"s3", "s3a"}:
        settings.update(_s3_settings())
    process = jvm.started(size if unpacked is None else unpacked, settings)
    builder: Any = SparkSession.builder.appName(app_name)
    for name, value in settings.items():
        builder = builder.config(name, value)
    with _our_own_ctrl_c():
        spark: SparkSession = builder.getOrCreate()
    if process:
        gateway: Any = spark.sparkContext._gateway
        gateway.proc = process  # as where PySpark has started it
    _answered_here(spark)
    # its thread would print a traceback when a signal ends the JVM before the driver
    accumulators: Any = spark.sparkContext._accumulatorServer
    accumulators.handle_error = lambda *_: None
    if schemes & {"s3", "s3a"}:
        _bound_patience(spark)
        if calls_of(spark).known(MAGIC_COMMITTER):  # on EMR the platform's own serves
            spark.conf.set("spark.sql.sources.commitProtocolClass", MAGIC_COMMITTER)
    return spark


def _answered_here(spark: SparkSession) -> None:
    """Else py4j asks the JVM each time, which looks for each through all of its jars in turn, a millisecond long."""
    view: Any = spark.sparkContext._jvm
    for name, in_full in ASKED_OFTEN.items():
        setattr(view, name, java_class(spark, in_full))
    view.org = JavaPackage("org", view._gateway_client, view._id)


def use(spark: SparkSession) -> None:
    """Make the session that of this thread: without one Spark takes SQL as its own defaults say, not as `start` has set it."""
    java: Any = spark
    session = java._jsparkSession
    java_class(spark, session.getClass().getName()).setActiveSession(session)


def exactly(uri: str) -> str:
    """What Spark's readers, of models too, take for the file or folder of that very name, also with a bracket or star in it.

    Without globs (their `__globPaths__`) they would read all files of a list as often as there are such names in it.
    A comma parts the paths of a model's, but not within braces.
    """
    return re.sub(r"[{}\[\]*?\\]", r"\\\g<0>", uri).replace(",", r"{\,}")


@contextmanager
def looked_after(spark: SparkSession, told: Callable[[], str]) -> Iterator[None]:
    """When a signal unwinds the block, end Spark first: a task still at work would write into what is cleaned up next.

    Raises `JobError` if Spark has ended by itself, with what is `told` of the run: what is said to it then fails in a way of its own.
    Within the block nothing may say a word to Spark on the way out of an error, as a `finally` would: after a signal the
    JVM is gone, or in mid-sentence, and what it answers would be told instead of the signal.
    """
    context: Any = spark.sparkContext
    # none behind spark-submit: we are its child
    jvm: Optional[subprocess.Popen[bytes]] = getattr(context._gateway, "proc", None)
    try:
        yield
    except Exception as error:
        # a `JobError` may be made of the JVM's silence, as one of a model that cannot be loaded
        known = isinstance(error, JobError) and not isinstance(error.__cause__, SILENT)
        answered = isinstance(error.__cause__ or error, Py4JJavaError)
        if jvm and not (known or answered) and (how := _end_of(jvm)):
            raise JobError(
                f"{how}; {told()}; see above what it says, or give it more memory "
                f"(--spark '--driver-memory 4g') or the machine"
            ) from error
        raise
    except BaseException:
        # from a thread of its own: this one's counterpart in the JVM is still busy with the job
        cancelling = threading.Thread(target=_cancel, args=(context,), daemon=True)
        cancelling.start()
        cancelling.join(PATIENCE_SECONDS)
        if jvm:
            if jvm.stdin:  # it heeds no signal but the last
                jvm.stdin.close()
            try:
                jvm.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                jvm.kill()
        raise


def _end_of(jvm: "subprocess.Popen[bytes]") -> Optional[str]:
    """How Spark's JVM ended, if it did: a moment after its connections."""
    try:
        code = jvm.wait(ENDED_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    if code < 0:
        return f"Spark's JVM was killed by signal {-code}, as a system does that runs out of memory"
    return f"Spark's JVM ended by itself, with exit code {code}"


def _cancel(context: Any) -> None:
    with suppress(Exception):  # the signal may have ended the JVM as well
        context.setLogLevel("OFF")  # what still runs then finds its scheduler gone, its broadcasts, its pool of threads
        context.cancelAllJobs()


@contextmanager
def _our_own_ctrl_c() -> Iterator[None]:
    """PySpark puts a handler of its own in the way, which talks to the JVM in mid-sentence and fails."""
    before = signal.getsignal(signal.SIGINT)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, before)


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
        # as Hadoop 3.4 does anyway: else each file written has the marks of all folders above it deleted
        "spark.hadoop.fs.s3a.directory.marker.retention": "keep",
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


def _bound_patience(spark: SparkSession) -> None:
    """Give up a store that is away after some minutes: by its own settings S3A would try a throttled request for a day."""
    context: Any = spark.sparkContext
    hadoop = context._jsc.hadoopConfiguration()
    for name, value in S3A_PATIENCE.items():
        source = hadoop.getPropertySources(name)
        # only Hadoop's own: what --spark or a core-site.xml says holds
        if source is None or list(source) == ["core-default.xml"]:
            hadoop.set(name, value)
