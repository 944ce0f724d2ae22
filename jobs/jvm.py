"""Spark's JVM, where submit.sh has chosen the Spark: begun before Python has loaded PySpark, which is led to it.

docs/decisions/0017 has what that saves.
"""

import os
import shlex
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Optional

from jobs.errors import UsageError

# below this many bytes of input the JVM's optimising compiler costs more than it gains
SMALL_RUN_BYTES = 48 << 20
SMALL_RUN = "-XX:TieredStopAtLevel=1"
ASKED_EVERY_SECONDS = 0.005


class _Begun:
    """The JVM, and the folder of the file in which it says how it is reached."""

    process: Optional["subprocess.Popen[bytes]"] = None
    folder: Optional["tempfile.TemporaryDirectory[str]"] = None


def begin(size: int) -> None:
    """Start the JVM for an input of `size` bytes, where that is left to this driver, and do not wait for it."""
    options = os.environ.pop("NIGHTLY_JAVA_OPTIONS", "")
    if not options:
        return
    small = f" {SMALL_RUN}" if size < SMALL_RUN_BYTES else ""
    # the default ones, so that a user's --driver-java-options are added and do not replace them
    settings = ["--conf", f"spark.driver.defaultJavaOptions={options}{small}"]
    words = shlex.split(os.environ["PYSPARK_SUBMIT_ARGS"])
    _Begun.folder = tempfile.TemporaryDirectory()
    _Begun.process = subprocess.Popen(  # noqa: S603  # no shell; what the user gives Spark is the user's
        [f"{os.environ['SPARK_HOME']}/bin/spark-submit", *settings, *words],
        stdin=subprocess.PIPE,  # when that ends, as this process does, so does the JVM
        env={**os.environ, "_PYSPARK_DRIVER_CONN_INFO_PATH": f"{_Begun.folder.name}/told"},
        preexec_fn=_left_to_the_driver,
    )


def reached(size: int) -> Optional["subprocess.Popen[bytes]"]:
    """The JVM, begun now if it is not yet, once it can be talked to: PySpark is told how. None if it is not ours to start.

    Raises `UsageError` when it has ended instead.
    """
    if not _Begun.process:
        begin(size)
    if not (_Begun.process and _Begun.folder):
        return None
    told = Path(_Begun.folder.name, "told")
    while not told.exists():
        if _Begun.process.poll() is not None:
            raise UsageError("Spark's JVM did not start; see above what it says, and check --spark and JAVA_HOME")
        time.sleep(ASKED_EVERY_SECONDS)
    said = told.read_bytes()  # a port, and the length and the text of a secret
    _Begun.folder.cleanup()
    os.environ["PYSPARK_GATEWAY_PORT"] = str(int.from_bytes(said[:4], "big"))
    os.environ["PYSPARK_GATEWAY_SECRET"] = said[8:].decode()
    return _Begun.process


def given_up() -> None:
    """End a JVM that was begun for nothing."""
    if _Begun.process and _Begun.folder and "PYSPARK_GATEWAY_PORT" not in os.environ:
        _Begun.process.kill()
        _Begun.folder.cleanup()


def _left_to_the_driver() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C reaches both
