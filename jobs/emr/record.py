"""The run key and the record under it: written before anything is sent, so that nothing is sent twice.

PREFIX/runs/KEY/1/record.json   what was to be sent, where, and the ids EMR gave it
PREFIX/runs/KEY/1/status.json   what the job itself said when it ended
PREFIX/runs/KEY/2/…             the next attempt: only after the one before has ended
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from jobs.emr.request import NAME
from jobs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.emr.command import Command
    from jobs.emr.staging import Store

_KEY = re.compile(r"^[a-z]+-[0-9]{8}-[0-9a-f]{16}$")


@dataclass(frozen=True)
class Record:
    """One attempt at one run. `ids` are empty until EMR has answered, `ended` until an end was seen.

    `renewed` is when its launcher last said that it is about to send it, if not when it was created.
    """

    key: str
    attempt: int
    kind: str
    settings: dict[str, Any]
    release: str
    place: str
    created: float
    timeout_minutes: int | None = None
    ids: dict[str, str] = field(default_factory=dict)
    ended: str = ""
    renewed: float = 0

    @property
    def name(self) -> str:
        """The name of this attempt everywhere in EMR, and its client token."""
        return f"{NAME}-{self.key}-{self.attempt}"


def run_key(command: Command, arguments: Sequence[str], artefacts: Sequence[str]) -> str:
    """The same output, run date, command and code give the same key; uploaded files count by their contents."""
    what = json.dumps(
        [command.program, command.place, command.run_date, *arguments, *command.spark, *sorted(artefacts)]
    )
    digits = re.sub(r"\D", "", command.run_date)
    if len(digits) != 8:
        raise UsageError(f"--run-date {command.run_date!r} is not a date like 2026-11-22")
    return f"{command.program}-{digits}-{hashlib.sha256(what.encode()).hexdigest()[:16]}"


class Records:
    """The records of one key below a staging prefix."""

    def __init__(self, store: Store, *, staging: str, key: str) -> None:
        if not _KEY.match(key):
            raise UsageError(f"{key!r} is not a run key; `emr run` prints it, like score-20261122-0123456789abcdef")
        self._store = store
        self._base = f"{staging.rstrip('/')}/runs/{key}"
        self.key = key

    def record_uri(self, attempt: int) -> str:
        return f"{self._base}/{attempt}/record.json"

    def status_uri(self, attempt: int) -> str:
        return f"{self._base}/{attempt}/status.json"

    def latest(self) -> tuple[Record, str] | None:
        """The newest attempt and its ETag."""
        found = re.compile(re.escape(self._base) + r"/([0-9]+)/record\.json$")
        attempts = [int(match[1]) for uri in self._store.list(self._base + "/") if (match := found.match(uri))]
        if not attempts:
            return None
        held = self._store.read_json(self.record_uri(max(attempts)))
        return (Record(**held[0]), held[1]) if held else None

    def claim(self, record: Record, *, etag: str | None = None) -> str | None:
        """Writes a new attempt's record, or renews the one of that ETag; its ETag, or None when another was first."""
        uri = self.record_uri(record.attempt)
        return self._store.put_json(uri, asdict(record), if_etag=etag, if_absent=etag is None)

    def keep(self, record: Record) -> Record:
        self._store.put_json(self.record_uri(record.attempt), asdict(record))
        return record

    def status(self, attempt: int) -> dict[str, Any] | None:
        """What the job wrote when it ended: exit_code, error, summary."""
        held = self._store.read_json(self.status_uri(attempt))
        return held[0] if held else None
