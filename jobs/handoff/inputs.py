"""Find the night's files and look at the first line of each, before Spark starts."""

import errno
import re
import zlib
from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Optional

from jobs.contract import header, saved_model
from jobs.contract.header import Layout
from jobs.contract.table_schema import TableSchema
from jobs.errors import InputRefusedError, UsageError
from jobs.handoff.storage import FileInfo, Storage, storage_for
from jobs.handoff.uris import fixed_root, is_folded, is_hidden, scheme_of

# endings that promise something this job does not read; anything else is taken for CSV
# (Hadoop unpacks .gz, and takes .GZ for text)
UNREADABLE = re.compile(r"\.(?!gz$)(?i:gz|bz2|zip|xz|zst|lz4|snappy|deflate|tar|tgz|7z|json|jsonl|orc|avro|xlsx?)$")
SURROGATE = re.compile("[\ud800-\udfff]")  # what Python makes of a byte in a name that is not UTF-8
HEAD = 1 << 16
LONGEST_HEADER = 64 << 20
READERS = 16


@dataclass(frozen=True)
class Inputs:
    """The files to read, sorted by URI, and those passed over because their name starts with `_` or `.`."""

    files: tuple[FileInfo, ...]
    hidden: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes as they lie there, compressed or not."""
        return sum(file.size for file in self.files)

    @property
    def unpacked(self) -> int:
        """Roughly the bytes of the rows."""
        return sum(
            file.size * (header.PACKED if _is_parquet(file) or header.is_gzip(file.uri) else 1) for file in self.files
        )

    @property
    def parquet(self) -> list[str]:
        """The Parquet files, as Spark reaches them."""
        return [self._for_spark(file) for file in self.files if _is_parquet(file)]

    def layouts(self, schema: TableSchema) -> dict[Layout, dict[str, int]]:
        """The CSV files by layout, as Spark reaches them, with their sizes. Raises `InputRefusedError` naming the file and column."""
        files = [file for file in self.files if not _is_parquet(file)]
        stores = self._stores  # made here: boto3 must not make clients in several threads
        with ThreadPoolExecutor(max_workers=READERS) as pool:  # stores answer slowly
            lines = list(pool.map(lambda file: first_line(file, stores[scheme_of(file.uri)]), files))
        found: dict[Layout, dict[str, int]] = {}
        bound: dict[bytes, Layout] = {}  # a folder's files mostly share one header
        for file, line in zip(files, lines):
            if line not in bound:
                bound[line] = header.bind(line, schema, file.uri)
            found.setdefault(bound[line], {})[self._for_spark(file)] = file.size
        return found

    @cached_property
    def _stores(self) -> dict[str, Storage]:
        """One store a scheme: connecting takes longer than a request, and a night may have 10,000 files."""
        uris = {scheme_of(file.uri): file.uri for file in self.files}
        return {scheme: storage_for(uri) for scheme, uri in uris.items()}

    def _for_spark(self, file: FileInfo) -> str:
        return self._stores[scheme_of(file.uri)].for_spark(file.uri)


def find(uris: tuple[str, ...]) -> Inputs:
    """List every input. Raises `UsageError` for a path that is not there, `InputRefusedError` for one without files."""
    files: dict[str, FileInfo] = {}
    hidden: dict[str, None] = {}
    for uri in uris:
        storage = storage_for(uri)
        try:
            listed = storage.find(uri)
            there = bool(listed) or storage.exists(uri)
        except ConnectionError:
            raise  # the store is away, which no option cures
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINVAL):  # a link to nothing, a pipe
                problem = f"{error.filename or uri}: {error.strerror}; take it out, or deliver it again"
                raise InputRefusedError(problem) from error
            raise UsageError(f"{uri}: cannot be listed ({error}); check the path and the rights") from error
        if not there:
            raise UsageError(f"{uri}: no such input; check the path and the run date")
        if folder := storage.not_looked_into(uri):
            raise InputRefusedError(
                f"{folder}: a link to a folder, or one without rights; give it as an --input, or take it out"
            )
        root = fixed_root(storage.canonical(uri))
        kept = {file.uri: file for file in listed if not is_hidden(file.uri, root)}
        if not kept:
            if listed:
                raise InputRefusedError(f"{uri}: only hidden files (_ or . in front), which are not read; rename them")
            raise InputRefusedError(f"{uri}: no files in it; was it delivered?")
        hidden.update((file.uri, None) for file in listed if file.uri not in kept)
        files.update(kept)
    for file in files.values():
        if SURROGATE.search(file.uri):
            raise InputRefusedError(f"{file.uri!a}: its name is not UTF-8; rename it")
        if scheme_of(file.uri) == "" and ":" in file.uri:
            raise InputRefusedError(f"{file.uri}: Hadoop reads no file with a colon in its path; rename it")
        if scheme_of(file.uri) and is_folded(file.uri):
            raise InputRefusedError(
                f"{file.uri}: Spark would read another object (it leaves out empty parts, . and .. of a key); rename it"
            )
        if scheme_of(file.uri) and (folder := _file_above(file.uri, files)):
            raise InputRefusedError(
                f"{folder}: is a file, and a folder too, as {file.uri} says, and Spark would read one of them alone; rename it"
            )
        if match := UNREADABLE.search(file.uri):
            raise InputRefusedError(f"{file.uri}: {match[0]} files are not read; give CSV (plain or .gz) or Parquet")
    return Inputs(tuple(files[uri] for uri in sorted(files)), tuple(hidden))


def _file_above(uri: str, files: Container[str]) -> Optional[str]:
    """The file that a store has besides where a folder of `uri` would be."""
    while "/" in uri:
        uri = uri.rpartition("/")[0]
        if uri in files:
            return uri
    return None


def first_line(file: FileInfo, storage: Storage) -> bytes:
    """The first line of one file in `storage` without its line end. Raises `InputRefusedError` if it cannot be read as one."""
    size = HEAD
    while True:
        try:
            data = storage.read(file.uri, limit=size)
        except FileNotFoundError as error:
            raise InputRefusedError(
                f"{file.uri}: was there a moment ago and is gone; is it still being delivered?"
            ) from error
        except PermissionError as error:
            raise UsageError(f"input {file.uri}: cannot be read ({error}); check the rights") from error
        text = _unzipped(data, file.uri) if header.is_gzip(file.uri) else data
        line, newline, _ = text.partition(b"\n")
        if newline or size >= file.size:
            return line[:-1] if line.endswith(b"\r") else line
        if len(text) >= LONGEST_HEADER:
            raise InputRefusedError(
                f"{file.uri}: no line end in the first {LONGEST_HEADER >> 20} MB; is it a CSV file?"
            )
        size *= 8


def model_metadata(uri: str) -> dict[str, str]:
    """The saved model's metadata files, relative path to text. Raises `UsageError` if nothing is there."""
    storage = storage_for(uri)
    root = storage.canonical(uri)
    try:
        files = [file.uri for file in storage.find(uri)]
    except ConnectionError:
        raise
    except OSError as error:
        raise UsageError(f"model {uri}: cannot be listed ({error}); check the path and the rights") from error
    if not files:
        raise UsageError(f"{uri}: no model there; check --model")
    paths = {path[len(root) :].lstrip("/"): path for path in files}
    wanted = {path: full for path, full in paths.items() if saved_model.is_metadata(path)}
    with ThreadPoolExecutor(max_workers=READERS) as pool:
        return dict(zip(wanted, pool.map(lambda full: text_of(full, "model", storage), wanted.values())))


def text_of(uri: str, what: str, storage: Optional[Storage] = None) -> str:
    """The text of a schema, policy or model's metadata file. Raises `UsageError` if it is not there or not UTF-8."""
    try:
        return (storage or storage_for(uri)).read(uri).decode("utf-8")
    except ConnectionError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{what} {uri}: cannot be read ({error}); check the path") from error


def _is_parquet(file: FileInfo) -> bool:
    return file.uri.lower().endswith((".parquet", ".pq"))


def _unzipped(data: bytes, uri: str) -> bytes:
    """As far as `data` goes: a file of several gzip files in a row is all of them, as for Hadoop."""
    text = b""
    try:
        while data and len(text) < LONGEST_HEADER and b"\n" not in text:
            member = zlib.decompressobj(wbits=31)
            text += member.decompress(data, LONGEST_HEADER)
            data = member.unused_data
        return text
    except zlib.error as error:
        raise InputRefusedError(
            f"{uri}: is not a complete gzip file ({error}); deliver it again, or without the ending .gz"
        ) from error
