"""Deliveries that cannot be read at all, made by script: each with the exit code and the words that name the cure."""

import gzip
import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.trust.corpus import GOOD, HEADER, plain

FINE = plain("fine", *[GOOD] * 3)
MANY = plain("many", *[GOOD] * 20_000)


@dataclass(frozen=True)
class Refusal:
    """A folder that `make` fills, the exit code of scoring it, and what the one line on stderr says."""

    name: str
    make: Callable[[Path], object]
    code: int
    says: str


def file(name: str, data: bytes, says: str, code: int = 3, called: str = "in.csv") -> Refusal:
    """A folder with one fine file and this one."""

    def make(folder: Path) -> None:
        (folder / "a-fine.csv").write_bytes(FINE)
        path = folder / called
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    return Refusal(name, make, code, says)


def headers() -> list[Refusal]:
    """Headers that do not fit the schema, or are none."""
    other = HEADER.replace("crim", "CRIM")
    return [
        file("without-a-header", FINE.split(b"\n", 1)[1], "no column 'ID'"),
        file("column-missing", plain("x", "1,2,3,4", header="ID,crim,zn,indus"), "no column 'note'"),
        file("column-twice", plain("x", GOOD + ",1", header=HEADER + ",zn"), "'zn' appears 2 times"),
        file("column-in-other-case", plain("x", GOOD, header=other), "it has 'CRIM'"),
        file("column-with-a-space", plain("x", GOOD, header=HEADER.replace(",zn", ", zn")), "it has ' zn'"),
        file("header-in-latin-1", plain("x", GOOD, header=HEADER.encode() + b",M\xfcll"), "not UTF-8"),
        file("header-over-two-lines", plain("x", GOOD, header=HEADER + ',"a\nb"'), "line break"),
        file("header-unclosed", plain("x", GOOD, header=HEADER + ',"a'), "not one CSV line"),
        file("blank-line-first", b"\n" + FINE, "no header"),
        file("two-byte-order-marks", b"\xef\xbb\xbf" * 2 + FINE, "no column 'ID'"),
        file("semicolons", FINE.replace(b",", b";"), "no column 'ID'"),
        file("tabs", FINE.replace(b",", b"\t"), "no column 'ID'"),
        file("json", b'[{"ID": "1"}]', "no column 'ID'"),
        file("html", b"<!DOCTYPE html>\n<html>Please log in</html>", "no column 'ID'"),
    ]


def encodings() -> list[Refusal]:
    """Bytes that are not the text, or not the archive, that their name promises."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("in.csv", FINE)
    packed = gzip.compress(MANY)
    return [
        file("utf-16", FINE.decode().encode("utf-16"), "UTF-16"),
        file("utf-16-little-endian", FINE.decode().encode("utf-16-le"), "UTF-16"),
        file("utf-16-big-endian", FINE.decode().encode("utf-16-be"), "UTF-16"),
        file("utf-32", FINE.decode().encode("utf-32"), "UTF-16"),
        file("lone-cr", FINE.replace(b"\n", b"\r"), "bare CR"),
        file("empty-file", b"", "empty"),
        file("nul-bytes-only", b"\x00" * 5000, "not UTF-8 text"),
        file("random-bytes", bytes(range(128, 256)) * 50, "not UTF-8"),
        file("gzip-named-csv", gzip.compress(FINE), "not UTF-8"),
        file("csv-named-gzip", FINE, "not a complete gzip file", called="in.csv.gz"),
        file("gzip-empty", b"", "empty", called="in.csv.gz"),
        file("gzip-of-nothing", gzip.compress(b""), "empty", called="in.csv.gz"),
        file("gzip-cut-off", packed[: len(packed) // 2], "cut off or damaged", called="in.csv.gz"),
        file("gzip-cut-off-at-the-end", packed[:-6], "cut off or damaged", called="in.csv.gz"),
        file("gzip-damaged", packed[:5000] + b"\x00" * 90 + packed[5090:], "incorrect data check", called="in.csv.gz"),
        file("zip", zipped.getvalue(), ".zip files are not read", called="in.zip"),
        file("gzip-in-capitals", gzip.compress(FINE), ".GZ files are not read", called="in.CSV.GZ"),
        file("spreadsheet", zipped.getvalue(), ".xlsx files are not read", called="in.xlsx"),
        file("parquet-that-is-none", b"hello", "not a Parquet file", called="in.parquet"),
        file("parquet-empty", b"", "not a Parquet file", called="in.parquet"),
        file("parquet-cut-off", b"PAR1" + b"\x15" * 400, "cut off or damaged", called="in.parquet"),
    ]


def places() -> list[Refusal]:
    """Folders without a file to read, or with something that is none."""

    def hidden(folder: Path) -> None:
        (folder / "_SUCCESS").write_bytes(b"")
        (folder / ".in.csv").write_bytes(FINE)

    return [
        Refusal("empty-folder", lambda folder: None, 3, "no files"),
        Refusal("empty-sub-folder", lambda folder: (folder / "sub").mkdir(), 3, "no files"),
        Refusal("hidden-files-only", hidden, 3, "only hidden files"),
        Refusal("folder-that-is-not-there", lambda folder: folder.rmdir(), 2, "no such input"),
        Refusal("link-to-nothing", lambda folder: (folder / "in.csv").symlink_to("gone.csv"), 3, "in.csv"),
        Refusal("named-pipe", lambda folder: os.mkfifo(folder / "in.csv"), 3, "not a regular file"),
        file("file-of-a-header-only", HEADER.encode() + b"\n", "", 0),
    ]


ALL = [*headers(), *encodings(), *places()]
