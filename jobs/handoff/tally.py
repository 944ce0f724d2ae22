"""What is known of a file as its bytes pass: size, line feeds, SHA-256."""

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Assembled:
    """One file made of parts, as it was read back: its bytes, its line feeds, its SHA-256 in hex."""

    size: int
    line_feeds: int
    sha256: str


class Tally:
    """Size, line feeds and SHA-256 of bytes as they pass; they are hashed on another core."""

    def __enter__(self) -> "Tally":
        self._hash, self._size, self._line_feeds = hashlib.sha256(), 0, 0
        self._beside, self._pending = ThreadPoolExecutor(1), Future[None]()
        self._pending.set_result(None)
        return self

    def __exit__(self, *_: object) -> None:
        self._beside.shutdown()

    def add(self, chunk: bytes) -> None:
        """Take some more bytes; at most two pieces are held."""
        self._pending.result()
        self._pending = self._beside.submit(self._hash.update, chunk)
        self._size += len(chunk)
        self._line_feeds += chunk.count(b"\n")

    def assembled(self, size: Optional[int] = None) -> Assembled:
        """What has passed; `size` instead of their number, where the bytes were put."""
        self._pending.result()
        return Assembled(self._size if size is None else size, self._line_feeds, self._hash.hexdigest())
