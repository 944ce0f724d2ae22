"""Exactly once: a run that is under way is found and followed, and a request that got no answer is looked for."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)

from jobs.emr.staging import code
from jobs.errors import LostContactError, SubmissionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.emr.follow import Interrupts
    from jobs.emr.record import Record, Records
    from jobs.emr.request import Call, Snapshot, Target

THROTTLED = {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown"}
CLOCK_SKEW = 600  # seconds by which our clock and the service's may differ
NEVER_SENT = (NoCredentialsError, NoRegionError, ParamValidationError, PartialCredentialsError)


@dataclass(frozen=True)
class Patience:
    """Seconds: between looks, for another launcher that has claimed but not sent, and how often a request is tried."""

    look_seconds: float = 5
    looks: int = 3
    claim_seconds: float = 180  # longer than a request that is still waiting for its answer can take
    tries: int = 5


@dataclass(frozen=True)
class Sender:
    """Puts one run on its way. `target_of` rebuilds the target of a record; `call_for` the request of an attempt.

    After an interrupt nothing is sent any more; a request that got no answer is still looked for, so that it can be cancelled.
    """

    records: Records
    target_of: Callable[[Record], Target]
    call_for: Callable[[Record, Target], Call]
    say: Callable[[str], None]
    interrupts: Interrupts
    patience: Patience = Patience()

    def run(self, first: Record) -> Record:
        """The attempt that is now under way: a new one, or one that was found. SubmissionError when none could be."""
        while True:
            if self.interrupts.count:
                raise SubmissionError("interrupted; nothing was sent")
            held = self.records.latest()
            record = held[0] if held else None
            if record and held and not record.ended:
                under_way = self._resume(record, held[1])
                if under_way:
                    return under_way
                continue
            record = replace(first, attempt=record.attempt + 1 if record else 1, created=time.time())
            if (etag := self.records.claim(record)) and (sent := self._send(record, etag)):
                return sent

    def next_attempt(self, first: Record) -> Record:
        """The attempt that `run` would start or follow, without writing anything."""
        held = self.records.latest()
        if held is None:
            return first
        record = held[0]
        if record.ended or (record.ids and self.target_of(record).snapshot(record.ids).ended):
            return replace(first, attempt=record.attempt + 1)
        return record

    def _resume(self, record: Record, etag: str) -> Record | None:
        """Follows what an earlier launcher left; None to look again."""
        target = self.target_of(record)
        if record.ids:
            snapshot = self._snapshot(record, target)
            if not snapshot.ended:
                self.say(f"this run is under way already ({snapshot.state}); following it")
                return record
            self.records.keep(replace(record, ended=snapshot.state))
            return None
        if ids := target.find(record.name, since=record.created - CLOCK_SKEW):
            self.say("an earlier launcher sent this run and did not hear back; following it")
            return self._kept(replace(record, ids=ids))
        claimed = max(record.created, record.renewed)
        if not target.takes_token and time.time() - claimed < self.patience.claim_seconds:
            self.say("another launcher is sending this run; waiting for it")
            self.interrupts.wait(self.patience.look_seconds)
            return None
        taken_over = replace(record, created=time.time())
        held = self.records.claim(taken_over, etag=etag)
        return self._send(taken_over, held) if held else None

    def _snapshot(self, record: Record, target: Target) -> Snapshot:
        try:
            return target.snapshot(record.ids)
        except ClientError as error:
            raise LostContactError(
                f"an earlier attempt of this run cannot be looked at: {error}; if it is surely over, delete "
                f"{self.records.record_uri(record.attempt)} and try again"
            ) from error

    def _send(self, record: Record, etag: str) -> Record | None:
        """Sends what was claimed; None when another launcher has taken the claim over meanwhile."""
        target = self.target_of(record)
        call = self.call_for(record, target)
        problem: Exception | None = None
        for attempt in range(self.patience.tries):
            if attempt:
                self.interrupts.wait(self.patience.look_seconds * attempt)
            if self.interrupts.count:
                break
            if attempt and not target.takes_token:
                # the tries before may have taken longer than another launcher leaves a claim alone
                record = replace(record, renewed=time.time())
                held = self.records.claim(record, etag=etag)
                if held is None:
                    return None
                etag = held
            try:
                return self._kept(replace(record, ids=target.send(call)))
            except (ClientError, BotoCoreError) as error:
                problem = error
                if _refused(error):
                    self.records.keep(replace(record, ended="REFUSED"))
                    raise SubmissionError(f"EMR did not take the job for {target.place()}: {error}") from error
                self.say(f"no clear answer from EMR ({error}); looking whether the job was taken")
            if ids := self._look(record, target):
                self.say("the job was taken")
                return self._kept(replace(record, ids=ids))
        if problem is None:
            raise SubmissionError("interrupted; nothing was sent")
        raise SubmissionError(
            f"EMR gave no clear answer ({problem}); the same command again first looks for the job, then sends it"
        ) from problem

    def _kept(self, record: Record) -> Record:
        """The record of a job that was taken, which it stays when this cannot be written."""
        try:
            return self.records.keep(record)
        except (ClientError, BotoCoreError, OSError) as error:
            self.say(f"the job was taken, but its record was not written ({error}); the same command again finds it")
            return record

    def _look(self, record: Record, target: Target) -> dict[str, str] | None:
        for _ in range(self.patience.looks):
            try:
                if ids := target.find(record.name, since=record.created - CLOCK_SKEW):
                    return ids
            except (ClientError, BotoCoreError) as error:
                self.say(f"could not look: {error}")
            self.interrupts.wait(self.patience.look_seconds)
            if self.interrupts.count > 1:
                break
        return None


def _refused(error: Exception) -> bool:
    """Whether the service surely did not take the request. A 5xx, a timeout, a cut connection may hide a yes."""
    if isinstance(error, ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
        return status < 500 and code(error) not in THROTTLED
    return isinstance(error, NEVER_SENT)
