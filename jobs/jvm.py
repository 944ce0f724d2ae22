"""Spark's JVM, where submit.sh has chosen the Spark: started here, with PySpark led to it (docs/decisions/0017)."""

import os
import pwd
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

from jobs.errors import UsageError

# below this many bytes of input the JVM's optimising compiler costs more than it gains
SMALL_RUN_BYTES = 48 << 20
# alone the first compiler would have room for 48 MB of code; a pipeline of eight stages may fill it, and nothing is compiled then
SMALL_RUN = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"
ASKED_EVERY_SECONDS = 0.005
ENDING = {signal.SIGINT, signal.SIGTERM}


@contextmanager
def signals_kept() -> Iterator[None]:
    """A signal is heeded at the end of the block. Were it blocked, another thread would take it, as NumPy has some."""
    came: list[int] = []
    before = {number: signal.signal(number, lambda got, _: came.append(got)) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def started(size: int, settings: Mapping[str, str]) -> Optional["subprocess.Popen[bytes]"]:
    """The JVM for an input of `size` bytes, with Spark's `settings`, once it can be talked to: PySpark is told how.

    None where that is not left to this driver. Raises `UsageError` when it has ended instead.
    """
    options = os.environ.pop("NIGHTLY_JAVA_OPTIONS", "")
    if not options:
        return None
    _hold_named()
    small = f" {SMALL_RUN}" if size < SMALL_RUN_BYTES else ""
    # the default ones, so that a user's --driver-java-options are added and do not replace them
    known = {**settings, "spark.driver.defaultJavaOptions": f"{options}{small}"}
    conf = [word for name, value in known.items() for word in ("--conf", f"{name}={value}")]
    command = [f"{os.environ['SPARK_HOME']}/bin/spark-submit", *conf, *shlex.split(os.environ["PYSPARK_SUBMIT_ARGS"])]
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "told")
        process = None
        try:
            with signals_kept():  # until the JVM is known, as it is to be ended then
                process = subprocess.Popen(  # noqa: S603  # no shell; what the user gives Spark is the user's
                    command,
                    stdin=subprocess.PIPE,  # when that ends, as this process does, so does the JVM
                    env={**os.environ, "_PYSPARK_DRIVER_CONN_INFO_PATH": str(told)},
                    preexec_fn=_left_to_the_driver,
                )
            while not told.exists():
                if process.poll() is not None:
                    raise UsageError(
                        "Spark's JVM did not start; see above what it says, and check --spark and JAVA_HOME"
                    )
                time.sleep(ASKED_EVERY_SECONDS)
            said = told.read_bytes()  # a port, and the length and the text of a secret
        except BaseException:
            if process:
                process.kill()  # without the folder in which it wants to tell its port it would stay for ever
            raise
    os.environ["PYSPARK_GATEWAY_PORT"] = str(int.from_bytes(said[:4], "big"))
    os.environ["PYSPARK_GATEWAY_SECRET"] = said[8:].decode()
    return process


def _hold_named() -> None:
    """Hadoop asks the system who runs it, and where there is no answer Spark ends in a stack trace."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        raise UsageError(
            f"the user {os.getuid()} has no name on this machine, which Spark needs; "
            f"add a line for it to /etc/passwd, as a container's entry point can, or run as another user"
        ) from None


def _left_to_the_driver() -> None:
    for number in ENDING:  # they reach both, as a whole group of processes gets them
        signal.signal(number, signal.SIG_IGN)
