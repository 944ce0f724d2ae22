"""The manners that the programs share: one line an error, one exit code a kind, one JSON line on stdout."""

import importlib
import io
import json
import logging
import os
import signal
import stat
import sys
import textwrap
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn, Optional

import click

from jobs import jvm
from jobs.errors import InputRefusedError, JobError, UsageError
from jobs.handoff import outcome
from jobs.handoff.storage import storage_for

INTERRUPTED = {signal.SIGINT: 130, signal.SIGTERM: 143}
AGAIN_AFTER_SECONDS = 0.05


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM: unwinds like an error, so that staging, uploads and lock are cleaned up on the way."""

    def __init__(self, number: int) -> None:
        """`number` is the signal."""
        super().__init__(number)
        self.number = number
        self.exit_code = INTERRUPTED.get(signal.Signals(number), 1)


class _Unheeded(io.FileIO):
    """A stream that nobody may be reading, or whose disk is full: no run fails for what it says there."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def run(work: Callable[[], Mapping[str, Any]]) -> NoReturn:
    """Do `work`, print its summary as the one line on stdout, and exit with what it ended in."""
    said = io.BufferedWriter(_Unheeded(_stderr_apart_from_stdout(), "w", closefd=False))
    sys.stderr = io.TextIOWrapper(said, encoding=sys.stderr.encoding, errors="backslashreplace", line_buffering=True)
    _keep_stdout()
    # Python puts the folder of the program there: a shipped train.py would be taken for this one's
    sys.path[:] = [path for path in sys.path if os.path.realpath(path) != os.path.dirname(os.path.realpath(__file__))]
    sys.unraisablehook = _raise_again
    # a pool of threads would log a traceback of what is told in one line by who asked it
    logging.getLogger("concurrent.futures").disabled = True
    # and so would py4j, under no name of its own, where a JVM ends in the midst of an answer
    logging.getLogger().addFilter(lambda record: record.module != "java_gateway")
    for number in INTERRUPTED:
        signal.signal(number, _interrupt)

    def whole() -> Mapping[str, Any]:
        try:
            _find_shipped_modules()
            return work()
        finally:  # how it has ended is told to the end
            for number in (*INTERRUPTED, signal.SIGALRM):
                signal.signal(number, signal.SIG_IGN)

    _exit(*ended(whole))


def whole_import(module: str) -> None:
    """Import `module` before a signal is heeded: SciPy, as pyspark.ml looks for it, would take an exception for its lack."""
    with jvm.signals_kept():
        importlib.import_module(module)


def _exit(code: int, summary: Mapping[str, Any]) -> NoReturn:
    if _Status.uri:
        _report(_Status.uri, code, summary)
    try:
        if summary:
            print(json.dumps(summary, ensure_ascii=False), flush=True)
    except Exception as error:  # the same
        print(f"warning: the summary could not be written to stdout: {first_line(error)}", file=sys.stderr)
    sys.stderr.flush()
    # not sys.exit: py4j's threads may wait for a JVM that a signal has already ended
    os._exit(code)


class _Status:
    """Where a launcher wants to read how the run ended: YARN does not keep a driver's exit code."""

    uri: Optional[str] = None


def status_option(_: click.Context, __: click.Parameter, uri: Optional[str]) -> None:
    """Callback for `--status-uri URI`."""
    _Status.uri = uri


def _report(uri: str, code: int, summary: Mapping[str, Any]) -> None:
    status = {"exit_code": code, "error": summary.get("error"), "summary": summary}
    try:
        storage_for(uri).write(uri, json.dumps(status, ensure_ascii=False).encode())
    except Exception as error:  # the run has ended as it has; its own exit code must not change
        print(f"warning: no status was left at {uri}: {first_line(error)}", file=sys.stderr)


def _stderr_apart_from_stdout() -> int:
    """spark-submit sends a Python driver's stderr to its own stdout; the descriptor of the one it was given itself."""
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        given = f"/proc/{os.getppid()}/fd/2"
        with suppress(OSError):  # no /proc, or not ours to open: the streams stay mixed, as spark-submit made them
            # a file, as in a YARN container, cannot be shared: one writer would overwrite the other
            if not stat.S_ISREG(os.stat(given).st_mode):
                return os.open(given, os.O_WRONLY)
    return sys.stderr.fileno()


def _keep_stdout() -> None:
    """What the JVM prints, or any program that is started, goes to stderr: stdout is the summary's."""
    if sys.stdout and sys.stdout.fileno() == 1:  # once: one program may run another
        kept = os.dup(1)
        os.dup2(sys.stderr.fileno(), 1)
        sys.stdout = os.fdopen(kept, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)


def _find_shipped_modules() -> None:
    """Let `--py-files` be imported before Spark starts, as behind spark-submit: a model is checked before that.

    They come last on the path, so that a neighbour of a shipped file stands in for no other module.
    """
    shipped = [file.removeprefix("file://") for file in os.environ.pop("NIGHTLY_PY_FILES", "").split(",")]
    for file in (file for file in shipped if file and "://" not in file):
        path = os.path.abspath(file)
        if not os.path.exists(path):
            raise UsageError(f"--py-files {file}: no such file; check the path")
        sys.path.append(os.path.dirname(path) if path.endswith(".py") else path)


def ended(work: Callable[[], Mapping[str, Any]]) -> tuple[int, Mapping[str, Any]]:
    """Do `work`; the exit code it ends in and its summary. What went wrong is told on stderr, in one line."""
    try:
        return 0, work()
    except JobError as error:
        print(f"error: {error}", file=sys.stderr)
        status = "refused" if isinstance(error, InputRefusedError) else "failed"
        return error.exit_code, {"status": status, "error": str(error), **(error.summary or {})}
    except click.exceptions.Exit as done:  # --help
        return done.exit_code, {}
    except click.ClickException as error:
        told = in_one_line(error)
        print(f"error: {told}", file=sys.stderr)
        return error.exit_code, {"status": "failed", "error": told}
    except (Interrupted, KeyboardInterrupt) as stop:
        told = f"interrupted; {outcome.told()}"
        print(f"error: {told}", file=sys.stderr)
        return getattr(stop, "exit_code", 130), {"status": "failed", "error": told}
    except Exception as error:
        traceback.print_exc()
        print(f"error: unexpected: {type(error).__name__}: {first_line(error)}", file=sys.stderr)
        return 1, {"status": "failed", "error": first_line(error)}


def in_one_line(error: click.ClickException) -> str:
    """What click found wrong, and where to read more."""
    told, usage = error.format_message().rstrip("."), getattr(error, "ctx", None)
    if "unexpected extra argument" in told:  # it names them all: a shell makes many words of a glob without quotes
        told = f"{textwrap.shorten(told, 200, placeholder=' …)')}; put a glob in quotes"
    return f"{told}{f'; see {usage.command_path} --help' if usage else ''}"


def _interrupt(number: int, _: Optional[FrameType]) -> NoReturn:
    logging.disable()  # py4j would log each word to a JVM that is going down
    raise Interrupted(number)


def _raise_again(lost: "sys.UnraisableHookArgs") -> None:
    """What a finalizer raises, as py4j has one for each object, reaches nobody: the signal that came in one comes again."""
    stop = lost.exc_value
    if isinstance(stop, Interrupted):
        number = stop.number
        signal.signal(signal.SIGALRM, lambda *_: _interrupt(number, None))
        signal.setitimer(signal.ITIMER_REAL, AGAIN_AFTER_SECONDS)
    else:
        sys.__unraisablehook__(lost)


def first_line(error: BaseException) -> str:
    """The first line of an error's text that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:500] if lines else type(error).__name__
