"""The run's own description: a Data Package (https://datapackage.org) with counts and fingerprints."""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.handoff.storage import FileInfo
from jobs.handoff.tally import Assembled

NAME = "datapackage.json"
# what a downstream reader may expect of each Spark type, in Table Schema's words
TABLE_TYPES = {
    "double": "number",
    "float": "number",
    "bigint": "integer",
    "int": "integer",
    "smallint": "integer",
    "tinyint": "integer",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "datetime",
}


@dataclass(frozen=True)
class Table:
    """One published CSV: its name, its columns with their Spark types, its key and how many rows it has."""

    name: str
    columns: Mapping[str, str]
    primary_key: tuple[str, ...]
    rows: int

    @property
    def header(self) -> bytes:
        """The header line."""
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(self.columns)
        return line.getvalue().encode()


def resource(table: Table, assembled: Assembled) -> dict[str, Any]:
    """The Data Resource entry of one file, with what is needed to check it: bytes, SHA-256, rows."""
    fields = [{"name": name, "type": table_type(kind)} for name, kind in table.columns.items()]
    schema: dict[str, Any] = {"fields": fields, "missingValues": [""]}
    if table.primary_key:
        schema["primaryKey"] = list(table.primary_key)
    return {
        "name": table.name,
        "type": "table",
        "path": f"{table.name}.csv",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": assembled.size,
        "hash": f"sha256:{assembled.sha256}",
        "rows": table.rows,
        "dialect": {"delimiter": ",", "lineTerminator": "\n", "quoteChar": '"', "doubleQuote": True, "header": True},
        "schema": schema,
    }


def package(run_id: str, created: str, resources: list[dict[str, Any]], extra: Mapping[str, Any]) -> bytes:
    """The whole manifest as JSON text."""
    head = {"name": f"nightly-actions-{run_id}", "id": run_id, "created": created}
    return (json.dumps({**head, "resources": resources, **extra}, indent=2, ensure_ascii=False) + "\n").encode()


def table_type(spark_type: str) -> str:
    """The Table Schema type of a Spark type; anything textual is a string."""
    return "number" if spark_type.startswith("decimal") else TABLE_TYPES.get(spark_type, "string")


def fingerprint_of_files(files: Iterable[FileInfo]) -> str:
    """One hash over which files there are, how long and of which version."""
    return fingerprint("\n".join(f"{file.uri}\t{file.size}\t{file.version}" for file in files))


def fingerprint(text: str) -> str:
    """SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
