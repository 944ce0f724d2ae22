"""One run of an output at a time. The lock is a file that its owner keeps fresh; a dead owner's stays as it is."""

import json
import os
import socket
import sys
import threading
import time
import uuid
from contextlib import suppress
from typing import Any

from jobs.errors import HandOffError, RunUnderWayError
from jobs.handoff.storage import Storage
from jobs.handoff.uris import join

REFRESH_SECONDS = 15.0
STALE_SECONDS = 120.0
WATCH_SECONDS = 60.0  # several refreshes, of which a store that is away may cost some
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
            if self.is_held():
                self._storage.delete(self._uri)
        except Exception as error:  # the run's own end must not be hidden by it
            print(f"{self._uri}: could not be removed ({error}); it lapses by itself", file=sys.stderr)

    def is_held(self) -> bool:
        """Whether it has not been lost, as after a long sleep of the machine."""
        try:
            return _owner(self._storage.read(self._uri)).get("token") == self._token
        except FileNotFoundError:
            return False

    def check(self) -> None:
        """Raise `HandOffError` if the lock was lost."""
        if not self.is_held():
            raise HandOffError(
                f"{self._uri}: the lock was taken over while this run slept; nothing was published; run again"
            )

    def _content(self) -> bytes:
        owner = {"token": self._token, "host": socket.gethostname(), "pid": os.getpid(), "pids": _pids()}
        return json.dumps({**owner, "alive": time.time()}).encode()

    def _remove_if_dead(self) -> None:
        try:
            found = self._storage.read(self._uri)
            # locks appear whole: one without content lost it in a power cut, and its owner with it
            if owner := _owner(found):
                self._hold_dead(owner, found)
            if self._storage.read(self._uri) == found:  # and not by now that of a run which found the same
                self._storage.delete(self._uri)
        except FileNotFoundError:
            return

    def _hold_dead(self, owner: dict[str, Any], found: bytes) -> None:
        """Raises `RunUnderWayError` if the `owner`, who wrote what was `found`, is or may be alive."""
        here = (owner["host"], owner.get("pids")) == (socket.gethostname(), _pids())
        if here and not _runs(int(owner["pid"])):
            return
        whose, age = f"another run (process {owner['pid']} on {owner['host']})", time.time() - float(owner["alive"])
        if abs(age) < STALE_SECONDS:
            raise RunUnderWayError(
                f"{self._uri}: {whose} is under way, last seen {max(age, 0):.0f} s ago; wait for it; if it is dead, "
                f"a run that starts {STALE_SECONDS:.0f} s after that takes over"
            )
        # its clock may be another than ours: only an owner that no longer writes is dead
        print(f"{self._uri}: left by {whose}? watching it for {WATCH_SECONDS:.0f} s", file=sys.stderr, flush=True)
        time.sleep(WATCH_SECONDS)
        if self._storage.read(self._uri) != found:
            raise RunUnderWayError(f"{self._uri}: {whose} is under way, and its clock is not ours; wait for it")

    def _keep_fresh(self) -> None:
        while not self._done.wait(REFRESH_SECONDS):
            with suppress(Exception):  # a store that is away for a minute must not cost the lock
                if self.is_held():
                    self._storage.write(self._uri, self._content())


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _owner(content: bytes) -> dict[str, Any]:
    """What stands in a lock; empty if that is no lock's."""
    try:
        found: dict[str, Any] = json.loads(content)
        float(found["alive"]), int(found["pid"]), found["host"]
    except (ValueError, TypeError, KeyError):
        return {}
    return found


def _pids() -> str:
    """Which processes `pid` is one of: each boot and each container has its own, be its host named alike or not."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.read().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""
