"""The input's columns, as agreed: a Table Schema (https://specs.frictionlessdata.io/table-schema/) in JSON."""

import difflib
import json
import re
from dataclasses import dataclass, replace
from typing import Any

from jobs import documents
from jobs.contract import constraints
from jobs.errors import UsageError

# what Spark calls each Table Schema type, and which narrower types "spark:type" may ask for
SPARK_TYPES = {
    "string": ("string", r"string"),
    "number": ("double", r"double|float|decimal\((\d+), ?(\d+)\)"),
    "integer": ("bigint", r"bigint|int|smallint|tinyint|long|integer"),
    "boolean": ("boolean", r"boolean"),
    "date": ("date", r"date"),
    "datetime": ("timestamp", r"timestamp"),
}
# properties that say how a cell reads; ignoring one would read another value than the author meant
LEXICAL: dict[str, tuple[Any, ...]] = {
    "format": ("default",),
    "decimalChar": (".",),
    "groupChar": ("",),
    "bareNumber": (True,),
    "trueValues": (["true", "True", "TRUE", "1"],),
    "falseValues": (["false", "False", "FALSE", "0"],),
    "missingValues": (),
}
# and those that say which rows are right; a file may have more columns than the schema, in any order
NOT_KEPT: dict[str, tuple[Any, ...]] = {
    "uniqueKeys": ([],),
    "foreignKeys": ([],),
    "fieldsMatch": ("subset", ["subset"]),
}
PROPERTIES = {"fields", "primaryKey", "missingValues", "nightly:maxRejects"}
FIELD_PROPERTIES = {"name", "type", "constraints", "spark:type"}
RESERVED = "_na_"
REASON_CODES = (
    *("type-error", "constraint-error", "missing-cell", "extra-cell", "unique-error", "encoding-error"),
    *("unbalanced-quote", "repeated-header", "model-dropped", "model-output", "uncorrected"),
)
# reasons for which a row's cells, as they stand in rejects.csv, may pass for good ones and yet be wrong
NOT_IN_CELLS = ("missing-cell", "extra-cell", "unbalanced-quote", "repeated-header", "unique-error", "uncorrected")
# the columns that rejects.csv has besides
REASONS, SOURCE, RECORD = REJECTS_OWN = ("_reasons", "_source", "_record")


@dataclass(frozen=True)
class Field:
    """One column: its name, its Table Schema type, the Spark type it is read as, and its constraints."""

    name: str
    type: str
    spark_type: str
    constraints: dict[str, Any]

    @property
    def required(self) -> bool:
        """Whether a missing value rejects the row."""
        return bool(self.constraints.get("required", False))


@dataclass(frozen=True)
class TableSchema:
    """The columns of the input in order, which cells count as missing, and what must be unique."""

    fields: tuple[Field, ...]
    missing_values: tuple[str, ...]
    primary_key: tuple[str, ...]
    max_rejects: dict[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in the schema's order."""
        return tuple(field.name for field in self.fields)

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """Every set of columns that may not repeat: the primary key first, then each `unique` column."""
        singles = tuple((f.name,) for f in self.fields if f.constraints.get("unique"))
        primary = (self.primary_key,) if self.primary_key else ()
        return primary + tuple(key for key in singles if key not in primary)


def parse(text: str, where: str) -> TableSchema:
    """Read a Table Schema from JSON `text`; `where` names it in errors. Raises `UsageError`."""
    raw = documents.parse(text, f"schema {where}")
    if not isinstance(raw, dict) or not isinstance(raw.get("fields"), list) or not raw["fields"]:
        raise UsageError(f'schema {where}: no "fields"; a Table Schema has a list of them')
    _check_properties(raw, PROPERTIES, NOT_KEPT, f"schema {where}")
    fields = tuple(_field(entry, where) for entry in raw["fields"])
    names = [field.name for field in fields]
    folded = [name.lower() for name in names]
    twice = sorted({name for name in names if folded.count(name.lower()) > 1})
    if twice:
        raise UsageError(
            f"schema {where}: {', '.join(twice)}: names must differ, also when case is ignored (Spark does)"
        )
    key = raw.get("primaryKey", [])
    key = [key] if isinstance(key, str) else key
    if not isinstance(key, list) or len(set(map(str, key))) < len(key):
        raise UsageError(f"schema {where}: primaryKey must be a field's name, or a list of different ones")
    key = tuple(key)
    unknown = [name for name in key if name not in names]
    if unknown:
        raise UsageError(f"schema {where}: primaryKey names {unknown[0]!r}, which is not among the fields")
    fields = tuple(replace(f, constraints={**f.constraints, "required": True}) if f.name in key else f for f in fields)
    missing = raw.get("missingValues", [""])
    if not isinstance(missing, list) or not all(isinstance(value, str) for value in missing):
        raise UsageError(f'schema {where}: "missingValues" must be a list of strings')
    limits = raw.get("nightly:maxRejects", {})
    if not isinstance(limits, dict) or not all(re.fullmatch(r"\d+|\d+(\.\d+)?%", str(v)) for v in limits.values()):
        raise UsageError(
            f'schema {where}: "nightly:maxRejects" maps a reason to a count or a rate, as {{"type-error": "1%"}}'
        )
    for reason in limits:
        code, of_one, column = reason.partition(":")
        if code not in REASON_CODES or (of_one and code != "model-output" and column not in names):
            raise UsageError(
                f'schema {where}: "nightly:maxRejects": no reason {reason!r}; use {", ".join(REASON_CODES)}, or one:column'
            )
    return TableSchema(fields, tuple(missing), key, {reason: str(limit) for reason, limit in limits.items()})


def _field(entry: Any, where: str) -> Field:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"]:
        raise UsageError(f'schema {where}: every field needs a "name"; found {json.dumps(entry)[:80]}')
    name, kind = entry["name"], entry.get("type", "string")
    spot = f"schema {where}: field {name!r}"
    if name.lower().startswith(RESERVED):
        raise UsageError(f"{spot}: names that start with {RESERVED} are the job's own; rename the column")
    if name.lower() in REJECTS_OWN:
        raise UsageError(
            f"{spot}: rejects.csv has a column of that name; leave it out (extra columns in the files are ignored)"
        )
    if any(char in name for char in "`\n;"):
        raise UsageError(f"{spot}: a back-tick, line break or ; in a column's name is not supported; rename the column")
    if not isinstance(kind, str) or kind not in SPARK_TYPES:
        raise UsageError(f"{spot}: type {kind!r} is not supported; use one of {', '.join(SPARK_TYPES)}")
    _check_properties(entry, FIELD_PROPERTIES, LEXICAL, spot)
    spark_type = _spark_type(entry.get("spark:type"), kind, spot)
    return Field(name, kind, spark_type, constraints.checked(entry.get("constraints", {}), kind, spark_type, spot))


def _check_properties(entry: dict[str, Any], ours: set[str], others: dict[str, tuple[Any, ...]], spot: str) -> None:
    """Ours are named to the letter, and the `others`, which would go unheeded, have none but the values given with them."""
    for name, value in entry.items():
        if name in others and value not in others[name]:
            raise UsageError(f'{spot}: "{name}": {json.dumps(value)} is not supported; leave it out')
        meant = difflib.get_close_matches(_folded(name), map(_folded, ours), n=1, cutoff=0.9)
        if meant and name not in ours:
            (right,) = (one for one in ours if _folded(one) == meant[0])
            raise UsageError(f'{spot}: "{name}" is not a property; did you mean "{right}"?')


def _folded(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _spark_type(asked: Any, kind: str, spot: str) -> str:
    default, allowed = SPARK_TYPES[kind]
    if asked is None:
        return default
    match = re.fullmatch(allowed, asked) if isinstance(asked, str) else None
    if not isinstance(asked, str) or not match:
        raise UsageError(f'{spot}: "spark:type": {json.dumps(asked)} does not go with type {kind!r}; use {allowed}')
    if asked.startswith("decimal") and not 0 <= int(match[2]) <= int(match[1]) <= 38:
        raise UsageError(f"{spot}: {asked}: precision is 1 to 38 and at least the scale")
    return asked
