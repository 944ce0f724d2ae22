"""One run of an output at a time. The lock is a file that its owner keeps fresh; a dead owner's goes stale."""

import json
import os
import socket
import sys
import threading
import time
import uuid
from contextlib import suppress
from typing import Any, Optional

from jobs.errors import HandOffError, RunUnderWayError
from jobs.handoff.storage import Storage
from jobs.handoff.uris import join

REFRESH_SECONDS = 15.0
STALE_SECONDS = 120.0
NAME = "_lock.json"


class OutputLock:
    """Holds `OUTPUT/_lock.json` while the `with` block runs. Raises `RunUnderWayError` if another run holds it."""

    def __init__(self, storage: Storage, output: str) -> None:
        """Prepare to lock `output`; nothing is written yet."""
        self._storage = storage
        self._uri = join(output, NAME)
        self._token = uuid.uuid4().hex
        self._done = threading.Event()
        self._keeper = threading.Thread(target=self._keep_fresh, daemon=True)

    def __enter__(self) -> "OutputLock":
        try:
            for _ in range(3):  # a stale lock is removed, and then another run may be quicker
                if self._storage.create(self._uri, self._content()):
                    self._keeper.start()
                    return self
                self._remove_if_dead()
        except (RunUnderWayError, ConnectionError):
            raise
        except Exception as error:
            raise HandOffError(f"{self._uri}: cannot write there: {error}; check the path and the rights") from error
        raise RunUnderWayError(f"{self._uri}: another run of this output has just begun; try again when it is done")

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._keeper.join()
        try:
            holder = self._holder()
            if holder and holder.get("token") == self._token:
                self._storage.delete(self._uri)
        except Exception as error:  # the run's own end must not be hidden by it
            print(f"{self._uri}: could not be removed ({error}); it lapses by itself", file=sys.stderr)

    def check(self) -> None:
        """Raise `HandOffError` if the lock was lost, as after a long sleep of the machine."""
        holder = self._holder()
        if not holder or holder.get("token") != self._token:
            raise HandOffError(
                f"{self._uri}: the lock was taken over while this run slept; nothing was published; run again"
            )

    def _content(self) -> bytes:
        owner = {"token": self._token, "host": socket.gethostname(), "pid": os.getpid(), "alive": time.time()}
        return json.dumps(owner).encode()

    def _holder(self) -> Optional[dict[str, Any]]:
        try:
            found: dict[str, Any] = json.loads(self._storage.read(self._uri))
        except (FileNotFoundError, ValueError):
            return None
        return found

    def _remove_if_dead(self) -> None:
        try:
            holder = json.loads(self._storage.read(self._uri))
            float(holder["alive"]), int(holder["pid"])
        except FileNotFoundError:
            return
        except (ValueError, TypeError, KeyError):
            # locks appear whole: this one lost its content in a power cut, and its owner with it
            self._storage.delete(self._uri)
            return
        age = time.time() - float(holder["alive"])
        here = holder.get("host") == socket.gethostname()
        if age < STALE_SECONDS and not (here and not _runs(int(holder["pid"]))):
            raise RunUnderWayError(
                f"{self._uri}: another run (process {holder.get('pid')} on {holder.get('host')}) is under way, last seen "
                f"{age:.0f} s ago; wait for it; should it be dead, its lock lapses after {STALE_SECONDS:.0f} s"
            )
        self._storage.delete(self._uri)

    def _keep_fresh(self) -> None:
        while not self._done.wait(REFRESH_SECONDS):
            with suppress(Exception):  # a store that is away for a minute must not cost the lock
                holder = self._holder()
                if holder and holder.get("token") == self._token:
                    self._storage.write(self._uri, self._content())


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
