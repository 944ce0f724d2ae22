"""Where bytes live. The one place that knows a local disk from S3; everything above it sees URIs.

A store lists, reads and writes files by URI and can put the parts that Spark wrote together into one file.
"""

import errno
import glob
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Optional, Protocol, Union

from jobs.errors import UsageError
from jobs.handoff.tally import Assembled, Tally
from jobs.handoff.uris import has_wildcard, is_hidden, scheme_of

CHUNK = 1 << 20


@dataclass(frozen=True)
class FileInfo:
    """One file: `size` in bytes; `version` changes when the content does (mtime in ns, or the store's ETag)."""

    uri: str
    size: int
    version: str


class Storage(Protocol):
    """What the job asks of a place that holds files."""

    renames_folders: bool  # whether a whole folder can appear in one atomic step

    def find(self, uri: str) -> list[FileInfo]:
        """The file at `uri`, all files below the folder, or those a glob names; sorted by URI, empty if none."""

    def not_looked_into(self, uri: str) -> Optional[str]:
        """A folder below `uri` whose files `find` passes over: one that is a link, or may not be read."""

    def in_folders(self, uri: str, folders: "re.Pattern[str]", name: str) -> list[str]:
        """The files `name` in the `folders` directly below `uri`, as URIs. Raises `OSError` for one that may not be read."""

    def exists(self, uri: str) -> bool:
        """Whether there is a file or folder, even an empty one."""

    def canonical(self, uri: str) -> str:
        """The one spelling of `uri` that `find` uses, so that prefixes compare."""

    def read(self, uri: str, *, limit: Optional[int] = None) -> bytes:
        """The file's bytes, or its first `limit`. Raises `FileNotFoundError`."""

    def write(self, uri: str, data: bytes) -> None:
        """Put a whole file in place of the old one, in one atomic step."""

    def create(self, uri: str, data: bytes) -> bool:
        """Write a file only if there is none; False when there is one already."""

    def delete(self, uri: str) -> None:
        """Remove a file or a whole folder, if it is there."""

    def rename(self, source: str, target: str) -> None:
        """Move a folder in one atomic step, where `renames_folders`."""

    def assemble(self, header: bytes, parts: list[FileInfo], target: str) -> Assembled:
        """Make one file at `target` of `header` and `parts` in order."""

    def abort_uploads(self, uri: str) -> None:
        """Give up half-finished uploads to the file `uri`, or below that folder."""

    def for_spark(self, uri: str) -> str:
        """The URI by which Spark reaches the same place."""


def storage_for(uri: str) -> Storage:
    """The store that holds `uri`. Raises `UsageError` for a scheme that is not known."""
    scheme = scheme_of(uri)
    if scheme in ("", "file"):
        return LocalStorage()
    if scheme in ("s3", "s3a"):
        try:
            from jobs.handoff.s3 import S3Storage
        except ImportError as error:
            raise UsageError(f"{uri}: boto3 is not installed here; submit with it (./submit.sh does)") from error
        return S3Storage()
    raise UsageError(f"{uri}: {scheme}:// is not supported; use a path, file://, s3:// or s3a://")


def before_spark(uris: Iterable[str]) -> set[str]:
    """The schemes of `uris`, with everything set that Spark must find when it starts."""
    schemes = {scheme_of(uri) for uri in uris}
    if schemes & {"s3", "s3a"}:
        from jobs.handoff.connection import share_credentials

        share_credentials()
    return schemes


class LocalStorage:
    """A disk. Files appear by rename, so a reader sees the old one or the new one, whole."""

    renames_folders = True

    @staticmethod
    def path(uri: str) -> str:
        """The absolute path of a plain path or `file://` URI."""
        return os.path.abspath(re.sub(r"^file://(localhost)?(?=/)", "", uri, flags=re.IGNORECASE))

    def find(self, uri: str) -> list[FileInfo]:
        files = {file for root in self._roots(uri) for file in self._below(root)}
        return [self._info(file) for file in sorted(files)]

    def not_looked_into(self, uri: str) -> Optional[str]:
        unread = list[OSError]()
        for root in filter(os.path.isdir, self._roots(uri)):
            for folder, below, _ in os.walk(root, onerror=unread.append):
                links = [path for name in below if os.path.islink(path := os.path.join(folder, name))]
                if seen := [path for path in links if not is_hidden(path, root)]:
                    return seen[0]
        return unread[0].filename if unread else None

    def _roots(self, uri: str) -> list[str]:
        path = self.path(uri)
        return [path] if os.path.exists(path) else glob.glob(path) if has_wildcard(path) else []

    def _below(self, root: str) -> Iterator[str]:
        if os.path.isfile(root):
            yield root
        for folder, _, names in os.walk(root):
            yield from (os.path.join(folder, name) for name in names)

    def _info(self, path: str) -> FileInfo:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)  # reading a pipe could wait for ever
        return FileInfo(path, found.st_size, str(found.st_mtime_ns))

    def in_folders(self, uri: str, folders: "re.Pattern[str]", name: str) -> list[str]:
        root = self.path(uri)
        found = []
        for folder in filter(folders.match, os.listdir(root) if os.path.isdir(root) else ()):
            with suppress(FileNotFoundError, NotADirectoryError):
                found.append(self._info(os.path.join(root, folder, name)).uri)
        return found

    def exists(self, uri: str) -> bool:
        return os.path.exists(self.path(uri))

    def canonical(self, uri: str) -> str:
        return self.path(uri)

    def read(self, uri: str, *, limit: Optional[int] = None) -> bytes:
        with open(self.path(uri), "rb") as file:
            return file.read(-1 if limit is None else limit)

    def write(self, uri: str, data: bytes) -> None:
        path = self.path(uri)
        with self._beside(path, data) as made:
            os.replace(made, path)

    def create(self, uri: str, data: bytes) -> bool:
        path = self.path(uri)
        with self._beside(path, data) as made:
            try:
                os.link(made, path)  # fails if it exists, and what appears is whole
            except FileExistsError:
                return False
        return True

    @contextmanager
    def _beside(self, path: str, data: bytes) -> Iterator[str]:
        """A temporary file beside `path` with all of `data` on the disk; gone afterwards."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = f"{path}.{uuid.uuid4().hex}.tmp"
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            if os.path.exists(temporary):
                os.remove(temporary)

    def delete(self, uri: str) -> None:
        path = self.path(uri)
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif os.path.exists(path):
            os.remove(path)

    def rename(self, source: str, target: str) -> None:
        os.rename(self.path(source), self.path(target))

    def assemble(self, header: bytes, parts: list[FileInfo], target: str) -> Assembled:
        path = self.path(target)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out, open(path, "rb", buffering=0) as back, Tally() as tally:
            for piece in self._pieces(header, parts):
                out.write(piece)
                out.flush()
                tally.follow(back, len(piece))
            os.fsync(out.fileno())
            return tally.assembled()

    def _pieces(self, header: bytes, files: list[FileInfo]) -> Iterator[Union[bytes, memoryview]]:
        """`header` and the bytes of `files`; a piece stands until the next is asked for."""
        yield header
        room = memoryview(bytearray(CHUNK))
        for info in files:
            with open(self.path(info.uri), "rb", buffering=0) as file:
                while size := file.readinto(room):
                    yield room[:size]

    def abort_uploads(self, uri: str) -> None:
        return

    def for_spark(self, uri: str) -> str:
        return "file://" + self.path(uri)
