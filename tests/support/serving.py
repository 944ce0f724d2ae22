"""Runs the S3 server of `store.py` as a process of its own."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.runs import REPO


@dataclass(frozen=True)
class Store:
    """A running S3 server: its URL, the file in which it notes its requests, and that from which it takes its faults."""

    url: str
    log: Path
    faults: Path

    @property
    def env(self) -> dict[str, str]:
        """What leads boto3 and Spark to it."""
        keys = {"AWS_ACCESS_KEY_ID": "AKIDOFTHETESTS", "AWS_SECRET_ACCESS_KEY": "secret-of-the-tests"}
        return {"AWS_ENDPOINT_URL": self.url, "AWS_REGION": "eu-central-1", **keys}


@contextmanager
def running(folder: Path, pace: int = 0) -> Iterator[Store]:
    """The S3 server on a free loopback port, with its files in `folder`; `pace` in bytes a second and connection."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "requests.jsonl"
    log.touch()
    faults = folder / "faults.json"
    faults.write_text("[]")
    with (folder / "server.log").open("w") as said:
        command = [sys.executable, "-m", "tests.support.store", str(port), str(log), str(faults), str(pace)]
        process = subprocess.Popen(command, cwd=REPO, stdout=said, stderr=said)
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, (folder / "server.log").read_text()
            time.sleep(0.1)
        yield Store(f"http://127.0.0.1:{port}", log, faults)
    finally:
        process.terminate()
        process.wait()
