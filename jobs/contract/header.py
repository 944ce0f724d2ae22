"""Bind a file's header to the schema by name, so that no column order can mix up values."""

import csv
from dataclasses import dataclass
from typing import Optional

from jobs.contract.table_schema import REASONS, TableSchema
from jobs.errors import InputRefusedError

UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
# how many times its size a compressed file, or one of Parquet, may hold in rows
PACKED = 16


@dataclass(frozen=True)
class Layout:
    """How one kind of file is laid out: its header line without a byte order mark, and where each schema column stands.

    `reasons` is where the reasons of a rejects.csv stand, if it is one.
    """

    header: str
    width: int
    positions: tuple[int, ...]
    reasons: Optional[int] = None


def bind(first_line: bytes, schema: TableSchema, file: str) -> Layout:
    """Find every schema column in the header of `file`. Raises `InputRefusedError` naming the file and the column."""
    if first_line.startswith(UTF16_MARKS) or b"\x00" in first_line:
        raise InputRefusedError(f"{file}: is not UTF-8 text (it looks like UTF-16); convert it, as with iconv -t UTF-8")
    if not first_line.strip():
        raise InputRefusedError(
            f"{file}: no header: the file is empty or starts with a blank line; write one, or leave the file out"
        )
    try:
        header = first_line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputRefusedError(f"{file}: the header is not UTF-8 ({error.reason}); convert the file") from error
    text = header[1:] if header.startswith("\ufeff") else header
    if "\r" in text:
        raise InputRefusedError(f"{file}: its lines end in a bare CR; convert them to LF")
    try:
        (names,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError) as error:
        raise InputRefusedError(
            f"{file}: the header is not one CSV line ({error}); a quoted name may not hold a line break"
        ) from error
    for name in schema.names:
        _must_stand_once(name, names, file)
    # Hadoop's line reader takes the mark off as well
    reasons = names.index(REASONS) if names.count(REASONS) == 1 else None
    return Layout(text, len(names), tuple(names.index(name) for name in schema.names), reasons)


def _must_stand_once(name: str, names: list[str], file: str) -> None:
    if names.count(name) == 1:
        return
    if names.count(name) > 1:
        raise InputRefusedError(f"{file}: column {name!r} appears {names.count(name)} times in the header; keep one")
    alike = [other for other in names if other.strip().lower() == name.strip().lower()]
    hint = f"it has {alike[0]!r}: names must match exactly" if alike else f"its header is {_shortened(names)}"
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        hint += ", without a comma, which has to be the separator"
    raise InputRefusedError(f"{file}: no column {name!r}; {hint}; correct the header or the schema")


def _shortened(names: list[str]) -> str:
    shown = ",".join(names[:12])
    return repr(shown[:200] + ("…" if len(names) > 12 or len(shown) > 200 else ""))


def is_gzip(uri: str) -> bool:
    """Whether a file is compressed, by its name."""
    return uri.endswith(".gz")
