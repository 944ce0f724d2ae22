"""From parts to a published run: whole or not at all. The manifest is written last, and then `latest.json`."""

import json
import os
import re
import signal
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from jobs.errors import HandOffError
from jobs.handoff import manifest, outcome, runs
from jobs.handoff.lock import OutputLock
from jobs.handoff.manifest import Table
from jobs.handoff.storage import FileInfo, Storage
from jobs.handoff.tally import Assembled
from jobs.handoff.uris import join

STAGING = "_staging"
REFUSED = "refused"
ACTIONS, REJECTS = "actions", "rejects"


@dataclass(frozen=True)
class Wanted:
    """What the parts of one file must add up to, counted on their way: rows, bytes and line feeds, without the header."""

    rows: int
    size: int
    line_feeds: int


@dataclass
class Steps:
    """Tells the operator what is being done, keeps the seconds of each step, and is where tests pull the plug."""

    started: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.monotonic)

    def done(self, name: str, said: str) -> None:
        """Note the end of step `name`."""
        now = time.monotonic()
        self.seconds[name] = round(self.seconds.get(name, 0.0) + now - self._last, 3)
        self._last = now
        print(f"[{now - self.started:7.1f} s] {said}", file=sys.stderr, flush=True)
        if os.environ.get("NIGHTLY_ACTIONS_KILL_AFTER") == name:  # the reliability tests' power cut
            os.kill(os.getpid(), signal.SIGKILL)


class Publication:
    """One run's way into `output`: staging, assembly, verification, manifest, `latest.json`."""

    def __init__(self, storage: Storage, output: str, run_id: str, steps: Steps, lock: OutputLock) -> None:
        """Nothing is written until parts are; `lock` is held."""
        self._storage, self._output, self._run_id, self._steps, self._lock = storage, output, run_id, steps, lock
        outcome.publishing(None)
        self._staging = join(output, STAGING, f"{run_id}-{uuid.uuid4().hex[:12]}")

    def parts(self, name: str) -> str:
        """Where Spark shall write the parts of file `name`."""
        return self._storage.for_spark(join(self._staging, "parts", name))

    def publish(self, tables: list[tuple[Table, Wanted]], extra: Mapping[str, Any]) -> str:
        """Assemble, verify and publish; returns the run folder's URI. Raises `HandOffError`, which says if it is published all the same."""
        self._lock.check()
        final = join(self._output, self._run_id)
        # where folders can be renamed the run appears in one step; elsewhere it counts from its manifest on
        build = join(self._staging, self._run_id) if self._storage.renames_folders else final
        resources = []
        for table, wanted in tables:
            made = self._assembled(table, wanted, build)
            resources.append(manifest.resource(table, made))
            self._steps.done(
                f"assemble-{table.name}", f"{table.name}.csv: {table.rows:,} rows, {made.size:,} bytes, verified"
            )
        created = datetime.now(timezone.utc).isoformat(timespec="seconds")
        document = manifest.package(self._run_id, created, resources, extra)
        self._lock.check()  # assembling may take long, and the machine may have slept
        outcome.publishing(final, join(final, manifest.NAME))
        try:
            is_ours = self._storage.create(join(build, manifest.NAME), document)
        except OSError as error:
            told = outcome.told()
            if told == outcome.NOTHING:
                raise
            raise HandOffError(f"{error}; {told}") from error  # the answer may be all that was lost
        if not is_ours:
            raise HandOffError(f"{final}: another run has published there meanwhile; run again")
        self._steps.done("manifest", "manifest written")
        if self._storage.renames_folders:
            self._storage.rename(build, final)
            self._steps.done("rename", f"published {final}")
        try:
            newest = runs.set_latest(self._storage, self._output, runs.published(self._storage, self._output))
        except OSError as error:
            raise HandOffError(
                f"{final} is published, but {runs.LATEST} not yet: {error}; run again, which sets it"
            ) from error
        self._steps.done("latest", f"{runs.LATEST} names {newest}")
        return final

    def refuse(self, rejects: Table, wanted: Wanted, summary: Mapping[str, Any]) -> str:
        """Leave rejects.csv and its summary for the operator; returns the folder's URI."""
        self._lock.check()
        final = join(self._output, REFUSED, self._run_id)
        self._storage.delete(final)
        self._assembled(rejects, wanted, final)
        self._storage.write(join(final, "summary.json"), (json.dumps(dict(summary), indent=2) + "\n").encode())
        return final

    def _assembled(self, table: Table, wanted: Wanted, folder: str) -> Assembled:
        parts, header, name = self._written(table.name), table.header, table.name
        made = self._storage.assemble(header, parts, join(folder, f"{name}.csv"))
        expected = (wanted.size + len(header), wanted.line_feeds + header.count(b"\n"))
        if (made.size, made.line_feeds) != expected or sum(part.size for part in parts) != wanted.size:
            raise HandOffError(
                f"{name}.csv: {made.size} bytes and {made.line_feeds} line ends were written, {expected[0]} and {expected[1]} "
                f"were counted on the way; nothing was published; run again"
            )
        return made

    def _written(self, name: str) -> list[FileInfo]:
        folder = join(self._staging, "parts", name)
        # committed parts only: a task given up for lost may still write below _temporary
        first = join(self._storage.canonical(folder), "part-")
        return [file for file in self._storage.find(folder) if re.fullmatch(re.escape(first) + "[^/]*", file.uri)]

    def clean(self) -> None:
        """Remove what this run leaves; with the lock lost only its staging, as all else may be the other run's."""
        if self._lock.is_held():
            clear_leftovers(self._storage, self._output, self._run_id)
        else:
            self._storage.abort_uploads(self._staging)
            self._storage.delete(self._staging)


def clear_leftovers(storage: Storage, output: str, *run_ids: str) -> None:
    """Remove what dead runs, and those of `run_ids`, left: staging, half-finished uploads, files that got no manifest.

    Only for who holds the lock. Where runs are built in place, one that died there left its staging too: a dated folder
    without that and without a manifest is somebody else's, and left alone.
    """
    staging = join(output, STAGING)
    if not storage.renames_folders:
        below = len(join(storage.canonical(staging), ""))
        names = {file.uri[below:].split("/")[0] for file in storage.find(staging)}
        found = {*run_ids, *(name.rpartition("-")[0] for name in names)}
        for run_id in found:
            _clear_unpublished(storage, output, run_id)
        if found:
            storage.abort_uploads(staging)
    storage.delete(staging)


def _clear_unpublished(storage: Storage, output: str, run_id: str) -> None:
    built = [join(output, run_id, f"{name}.csv") for name in (ACTIONS, REJECTS)]
    for file in (*built, join(output, REFUSED, run_id, f"{REJECTS}.csv")):
        storage.abort_uploads(file)
    if not storage.exists(join(output, run_id, manifest.NAME)):
        for file in built:
            storage.delete(file)
