"""Follows a job to its end, however long that takes, and turns the end into an exit code."""

from __future__ import annotations

import queue
import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from jobs.emr import explain, logs
from jobs.errors import DetachedError, LostContactError, RemoteRunError, RunCancelledError, RunTimedOutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

    from jobs.emr.record import Record, Records
    from jobs.emr.request import Snapshot, Target
    from jobs.emr.staging import Store


@dataclass(frozen=True)
class Pace:
    """Seconds: between polls, without any answer, for a cancel to work before it is pressed, for late logs."""

    poll: float = 10
    patience: float = 1800
    cancel_grace: float = 300
    log_wait: float = 60
    still_there: float = 60  # a line at least this often, so that a person sees it lives


@dataclass
class Interrupts:
    """Counts Ctrl-C and SIGTERM; waiting ends when one comes."""

    count: int = 0
    # not an Event: set in a handler that came while it was being cleared, it waited for itself for ever
    _woken: queue.SimpleQueue[None] = field(default_factory=queue.SimpleQueue)

    @contextmanager
    def caught(self) -> Iterator[Interrupts]:
        held = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in held.items():
                signal.signal(number, handler)

    def wait(self, seconds: float) -> None:
        with suppress(queue.Empty):
            self._woken.get(timeout=seconds)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        self._woken.put(None)


@dataclass
class Follower:
    """Follows one attempt. `cancels` says what the first Ctrl-C does: cancel the job, or only stop looking."""

    record: Record
    target: Target
    records: Records
    store: Store
    say: Callable[[str], None]
    pace: Pace
    interrupts: Interrupts
    cancels: bool = True
    cancel_command: str = ""  # of this launcher, for a person
    summary: dict[str, Any] | None = None  # what the job itself said it did, once it has ended
    _cancelled_at: float | None = None
    _why: str = ""

    def __post_init__(self) -> None:
        self._logs = logs.Logs(self.target, self.record.ids, store=self.store)

    def to_the_end(self) -> Snapshot:
        """Waits for the end state. DetachedError after a second interrupt, LostContactError without any answer."""
        last_state, said, heard = "", 0.0, time.monotonic()
        while True:
            self._heed_interrupts()
            try:
                snapshot = self.target.snapshot(self.record.ids)
            except (ClientError, BotoCoreError) as error:
                # a failed poll says nothing about the job
                if time.monotonic() - heard > self.pace.patience:
                    raise LostContactError(self._lost(error)) from error
                self.say(f"no answer from EMR ({error}); asking again")
                self.interrupts.wait(self.pace.poll)
                continue
            heard = time.monotonic()
            if snapshot.state != last_state or heard - said > self.pace.still_there:
                self.say(f"{self._elapsed()} {snapshot.state}" + (f": {snapshot.reason}" if snapshot.reason else ""))
                last_state, said = snapshot.state, heard
            self._show_progress(snapshot)
            if snapshot.ended:
                return snapshot
            self._heed_time(snapshot)
            self.interrupts.wait(self.pace.poll)

    def request_cancel(self, why: str) -> None:
        """Asks for the cancel; a refusal is said and asked again later, as the job may be ending by itself."""
        self._why = self._why or why
        force = self._cancelled_at is not None
        self._cancelled_at = time.monotonic()
        self.say(f"{why}; cancelling the job and waiting for its end (again: stop waiting)")
        try:
            self.target.cancel(self.record.ids, force=force)
        except (ClientError, BotoCoreError) as error:
            self.say(f"the cancel was not taken ({error}); following on")

    def conclude(self, snapshot: Snapshot) -> None:
        """Cleans up and keeps the job's summary; raises the error whose exit code says how it ended, if not well."""
        try:
            self.records.keep(replace(self.record, ended=snapshot.state))
        except (OSError, ClientError, BotoCoreError) as error:  # the job has ended as it has
            self.say(f"its record was not written: {error}")
        self.clean_up(snapshot)
        status = self._status()
        self.summary = status.get("summary") if status else None
        if snapshot.cost:
            self.say(f"billed: {snapshot.cost}")
        if self._why.startswith("--timeout") and snapshot.phase != "succeeded":
            raise RunTimedOutError(f"{self._why}: the job was cancelled ({snapshot.state}); {_published(status)}")
        if snapshot.phase == "cancelled":
            by = self._why or snapshot.reason or "not by this launcher"
            raise RunCancelledError(f"{self.target.place()}: {snapshot.state} ({by}); {_published(status)}")
        if status and status.get("exit_code") == 0:
            if snapshot.phase == "failed":
                self.say(f"the job had done its work when EMR reported {snapshot.state}: {snapshot.reason}")
        elif snapshot.phase == "failed" or status:
            raise self._failure(snapshot, status)

    def _failure(self, snapshot: Snapshot, status: Mapping[str, Any] | None) -> RemoteRunError:
        found = self._late_logs(wait=not status)
        try:
            places = self.target.log_prefixes(self.record.ids)
        except (ClientError, BotoCoreError):
            places = []
        text = explain.screen(
            snapshot=snapshot, place=self.target.place(), status=status, logs=found, log_places=places
        )
        return RemoteRunError(text, exit_code=int(status["exit_code"]) if status else 1)

    def _late_logs(self, *, wait: bool) -> dict[str, str]:
        """The driver's logs; waited for a while when nothing else says what happened."""
        until = time.monotonic() + (self.pace.log_wait if wait else 0)
        while True:
            found = self._logs.texts()
            if any(explain.root_cause("\n".join(found.values()))) or time.monotonic() >= until or not self._wait():
                return found

    def clean_up(self, snapshot: Snapshot) -> None:
        """Ends what outlives the job, whoever cancelled it; what could not be ended is said."""
        cancelled = snapshot.phase == "cancelled"
        try:
            warning = self.target.clean_up(self.record.ids, name=self.record.name, cancelled=cancelled, wait=self._wait)
        except (ClientError, BotoCoreError) as error:
            warning = f"could not clean up ({error}): {self._stop_command()}"
        if warning:
            self.say(warning)

    def _status(self) -> dict[str, Any] | None:
        try:
            return self.records.status(self.record.attempt)
        except (OSError, ValueError, ClientError, BotoCoreError) as error:
            self.say(f"the job's own status could not be read: {error}")
            return None

    def _wait(self) -> bool:
        """Pauses between two looks; False once nobody wants to wait any more."""
        if not self._given_up:
            self.interrupts.wait(self.pace.poll)
        return not self._given_up

    @property
    def _given_up(self) -> bool:
        return self.interrupts.count > (1 if self.cancels else 0)

    def _show_progress(self, snapshot: Snapshot) -> None:
        if snapshot.phase != "waiting":
            for line in self._logs.fresh_lines():
                self.say(f"driver: {line}")

    def _heed_interrupts(self) -> None:
        if self.interrupts.count == 0:
            return
        if self._given_up:
            raise DetachedError(
                f"no longer waiting for {self.record.key}; it may still be running. To stop it: {self._stop_command()}"
            )
        if self._cancelled_at is None:
            self.request_cancel("interrupted")

    def _heed_time(self, snapshot: Snapshot) -> None:
        limit = self.record.timeout_minutes
        if self._cancelled_at is not None:
            if time.monotonic() - self._cancelled_at > self.pace.cancel_grace:
                self.request_cancel(f"still {snapshot.state}")
        elif limit is not None and time.time() - self.record.created > limit * 60:
            self.request_cancel(f"--timeout of {limit} minutes is over")

    def _elapsed(self) -> str:
        seconds = max(0, int(time.time() - self.record.created))
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"

    def _lost(self, error: Exception) -> str:
        return (
            f"no answer from EMR for {self.pace.patience:g} s ({error}); the job may be running. "
            f"`emr attach` with the key {self.record.key} follows it again; to stop it: "
            f"{self._stop_command()}"
        )

    def _stop_command(self) -> str:
        return self.target.clean_up_command(self.record.ids) or self.cancel_command


def _published(status: Mapping[str, Any] | None) -> str:
    done = status is not None and status.get("exit_code") == 0
    return "it had published before that" if done else "nothing says that it published"
