"""Spark's JVM, where submit.sh has chosen the Spark: begun before Python has loaded PySpark, which is led to it.

docs/decisions/0017 has what that saves.
"""

import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Optional

from jobs.errors import UsageError

# below this many bytes of input the JVM's optimising compiler costs more than it gains
SMALL_RUN_BYTES = 48 << 20
SMALL_RUN = "-XX:TieredStopAtLevel=1"
ASKED_EVERY_SECONDS = 0.005
ENDING = {signal.SIGINT, signal.SIGTERM}


class _Jvm(NamedTuple):
    """The JVM, and the folder of the file in which it says how it is reached: gone once it was read."""

    process: "subprocess.Popen[bytes]"
    folder: "tempfile.TemporaryDirectory[str]"


class _Begun:
    """The one that was begun."""

    jvm: Optional[_Jvm] = None


def begin(size: int, settings: Optional[Mapping[str, str]] = None) -> None:
    """Start the JVM for an input of `size` bytes, where that is left to this driver, and do not wait for it.

    `settings` are Spark's, as far as they are known yet.
    """
    options = os.environ.pop("NIGHTLY_JAVA_OPTIONS", "")
    if not options:
        return
    small = f" {SMALL_RUN}" if size < SMALL_RUN_BYTES else ""
    # the default ones, so that a user's --driver-java-options are added and do not replace them
    known = {**(settings or {}), "spark.driver.defaultJavaOptions": f"{options}{small}"}
    conf = [word for name, value in known.items() for word in ("--conf", f"{name}={value}")]
    command = [f"{os.environ['SPARK_HOME']}/bin/spark-submit", *conf, *shlex.split(os.environ["PYSPARK_SUBMIT_ARGS"])]
    # a signal waits until the JVM is known, as it is to be ended then
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        folder = tempfile.TemporaryDirectory()
        process = subprocess.Popen(  # noqa: S603  # no shell; what the user gives Spark is the user's
            command,
            stdin=subprocess.PIPE,  # when that ends, as this process does, so does the JVM
            env={**os.environ, "_PYSPARK_DRIVER_CONN_INFO_PATH": f"{folder.name}/told"},
            preexec_fn=_left_to_the_driver,
        )
        _Begun.jvm = _Jvm(process, folder)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def reached(size: int, settings: Mapping[str, str]) -> Optional["subprocess.Popen[bytes]"]:
    """The JVM, begun now if it is not yet, once it can be talked to: PySpark is told how. None if it is not ours to start.

    Raises `UsageError` when it has ended instead.
    """
    if not _Begun.jvm:
        begin(size, settings)
    if not _Begun.jvm:
        return None
    process, folder = _Begun.jvm
    told = Path(folder.name, "told")
    while not told.exists():
        if process.poll() is not None:
            raise UsageError("Spark's JVM did not start; see above what it says, and check --spark and JAVA_HOME")
        time.sleep(ASKED_EVERY_SECONDS)
    said = told.read_bytes()  # a port, and the length and the text of a secret
    folder.cleanup()
    os.environ["PYSPARK_GATEWAY_PORT"] = str(int.from_bytes(said[:4], "big"))
    os.environ["PYSPARK_GATEWAY_SECRET"] = said[8:].decode()
    return process


def given_up() -> None:
    """End a JVM that was begun for nothing."""
    if _Begun.jvm and Path(_Begun.jvm.folder.name).exists():
        _Begun.jvm.process.kill()
        _Begun.jvm.folder.cleanup()


def _left_to_the_driver() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C reaches both
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
