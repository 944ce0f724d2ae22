"""The life of one job in the small AWS: its states in their order, its process, its logs."""

from __future__ import annotations

import gzip
import math
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emr.cloud.faults import Faults
    from tests.emr.cloud.s3 import S3

LOG_SECONDS = 2  # how often the services that do so write the log of a running job
STEP_SECONDS = 0.1  # how long a state before RUNNING lasts


class Running(Protocol):
    """A process that a machine has started."""

    def poll(self) -> int | None: ...

    def end(self) -> None: ...

    def output(self) -> dict[str, bytes]: ...


@dataclass(frozen=True)
class Words:
    """A service's words for the states that all of them have."""

    waiting: tuple[str, ...]
    running: str
    done: str
    failed: str
    cancelling: str
    cancelled: str


@dataclass
class Work:
    """One job run or step; `answer_with` what it is asked for is the service's business."""

    id: str
    name: str
    parameters: dict[str, Any]
    words: Words
    faults: Faults
    start: Callable[[Work], Running]
    write_logs: Callable[[Work], None]
    state: str = ""
    reason: str = ""
    created: float = field(init=False)
    started: float | None = None
    ended: float | None = None
    cancel_asked: float | None = None
    log_delay: float = 0.3
    process: Running | None = None

    def __post_init__(self) -> None:
        self.state, self.created = self.words.waiting[0], self.faults.now()
        self._thread = threading.Thread(target=self._live, daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def join(self, *, timeout: float | None = 60) -> None:
        if self._thread.ident is not None:
            self._thread.join(timeout=timeout)

    @property
    def is_over(self) -> bool:
        return self.ended is not None

    def cancel(self, *, at_once: bool = False) -> None:
        if not self.is_over and (at_once or self.cancel_asked is None):
            self.cancel_asked = -math.inf if at_once else time.monotonic()
            self.state = self.words.cancelling

    def finish(self, state: str, reason: str = "") -> None:
        if not self.is_over:
            self.state, self.reason, self.ended = state, reason, self.faults.now()

    def _live(self) -> None:
        for state in self.words.waiting:
            if self.cancel_asked is None:
                self.state = state
            time.sleep(STEP_SECONDS)
        if self.is_over:
            return
        if self.cancel_asked is None and self.faults.no_capacity:
            self.finish(self.words.failed, "Insufficient capacity: no workers could be had")
        elif self.cancel_asked is None:
            self.state, self.started = self.words.running, self.faults.now()
            self.process = self.start(self)
        self._watch()
        time.sleep(self.log_delay)
        self.write_logs(self)

    def _watch(self) -> None:
        shown = 0.0
        while not self.is_over:
            code = self.process.poll() if self.process else None
            if self.cancel_asked is not None:
                if time.monotonic() - self.cancel_asked >= self.faults.cancel_seconds:
                    self._end_process()
                    self.finish(self.words.cancelled, "")
            elif self.faults.interrupt:
                self._end_process()
                self.finish("INTERRUPTED", "")
            elif code is not None and not self.faults.never_finish:
                self.finish(self.words.failed if code else self.words.done, self._why() if code else "")
            if time.monotonic() - shown > LOG_SECONDS:
                shown = time.monotonic()
                self.write_logs(self)
            time.sleep(0.05)
        self._end_process()

    def _end_process(self) -> None:
        if self.process:
            self.process.end()

    def _why(self) -> str:
        text = self.process.output()["stderr"].decode() if self.process else ""
        errors = re.findall(r"(?m)^(?:Exception|Caused by|\S+Error).*", text)
        words = "; ".join(errors[-2:]) or "no exception was found"
        return f"Job failed, please check complete logs in configured logging destination. Last exceptions: {words}"[
            :256
        ]


def put_log(s3: S3, uri: str, body: bytes) -> None:
    """As EMR does it: gzipped."""
    bucket, _, key = uri.partition("://")[2].partition("/")
    s3.client().put_object(Bucket=bucket, Key=key, Body=gzip.compress(body))
