"""What is in a bucket of the S3 server, and what that is asked and answers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

from tests.support.serving import Store


def keys(store: Any, bucket: str, prefix: str = "out") -> dict[str, int]:
    """The objects under `prefix` with their sizes."""
    return {
        item["Key"]: item["Size"] for item in store.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    }


def uploads(store: Any, bucket: str) -> list[str]:
    """The keys of uploads that are neither finished nor given up."""
    return [found["Key"] for found in store.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]


def noted(store_process: Store, began: int) -> list[dict[str, Any]]:
    """The server's requests since the test began."""
    with store_process.log.open() as file:
        file.seek(began)
        return [json.loads(line) for line in file]


@contextmanager
def failing(store_process: Store, on: str, *does: Any, times: Optional[int] = None) -> Iterator[None]:
    """Meanwhile the server does each of `does`, one after the other, as often as `times` or always, on requests that fit `on`."""
    store_process.faults.write_text(json.dumps([{"on": on, "do": do, "times": times} for do in does]))
    try:
        yield
    finally:
        store_process.faults.write_text("[]")
