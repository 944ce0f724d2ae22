"""The input's columns, as agreed: a Table Schema (https://specs.frictionlessdata.io/table-schema/) in JSON."""

import json
import re
from dataclasses import dataclass, replace
from typing import Any, Optional

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
CONSTRAINTS = {"required", "unique", "minimum", "maximum", "enum", "pattern", "minLength", "maxLength"}
# properties that say how a cell reads; ignoring one would read another value than the author meant
LEXICAL = {"format": "default", "decimalChar": ".", "groupChar": "", "bareNumber": True}
RESERVED = "_na_"


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
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise UsageError(f"schema {where}: not JSON ({error}); write a Table Schema file") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("fields"), list) or not raw["fields"]:
        raise UsageError(f'schema {where}: no "fields"; a Table Schema has a list of them')
    fields = tuple(_field(entry, where) for entry in raw["fields"])
    names = [field.name for field in fields]
    folded = [name.lower() for name in names]
    twice = sorted({name for name in names if folded.count(name.lower()) > 1})
    if twice:
        raise UsageError(
            f"schema {where}: {', '.join(twice)}: names must differ, also when case is ignored (Spark does)"
        )
    key = raw.get("primaryKey", [])
    key = (key,) if isinstance(key, str) else tuple(key)
    unknown = [name for name in key if name not in names]
    if unknown:
        raise UsageError(f"schema {where}: primaryKey names {unknown[0]!r}, which is not among the fields")
    fields = tuple(replace(f, constraints={**f.constraints, "required": True}) if f.name in key else f for f in fields)
    missing = raw.get("missingValues", [""])
    if not isinstance(missing, list) or not all(isinstance(value, str) for value in missing):
        raise UsageError(f'schema {where}: "missingValues" must be a list of strings')
    limits = raw.get("nightly:maxRejects", {})
    if not isinstance(limits, dict) or not all(re.fullmatch(r"\d+(\.\d+)?%?", str(v)) for v in limits.values()):
        raise UsageError(
            f'schema {where}: "nightly:maxRejects" maps a reason to a count or a rate, as {{"type-error": "1%"}}'
        )
    return TableSchema(fields, tuple(missing), key, {reason: str(limit) for reason, limit in limits.items()})


def _field(entry: Any, where: str) -> Field:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"]:
        raise UsageError(f'schema {where}: every field needs a "name"; found {json.dumps(entry)[:80]}')
    name, kind = entry["name"], entry.get("type", "string")
    spot = f"schema {where}: field {name!r}"
    if name.startswith(RESERVED):
        raise UsageError(f"{spot}: names that start with {RESERVED} are the job's own; rename the column")
    if "`" in name or "\n" in name:
        raise UsageError(f"{spot}: a back-tick or line break in a column name is not supported; rename the column")
    if kind not in SPARK_TYPES:
        raise UsageError(f"{spot}: type {kind!r} is not supported; use one of {', '.join(SPARK_TYPES)}")
    for prop, default in LEXICAL.items():
        if entry.get(prop, default) != default:
            raise UsageError(f'{spot}: "{prop}": {json.dumps(entry[prop])} is not supported; leave it out')
    constraints = entry.get("constraints", {})
    strangers = set(constraints) - CONSTRAINTS
    if strangers:
        raise UsageError(
            f"{spot}: constraint {sorted(strangers)[0]!r} is not supported; use {', '.join(sorted(CONSTRAINTS))}"
        )
    _check_constraints(constraints, kind, spot)
    return Field(name, kind, _spark_type(entry.get("spark:type"), kind, spot), constraints)


def _spark_type(asked: Optional[str], kind: str, spot: str) -> str:
    default, allowed = SPARK_TYPES[kind]
    if asked is None:
        return default
    match = re.fullmatch(allowed, asked)
    if not match:
        raise UsageError(f'{spot}: "spark:type": {json.dumps(asked)} does not go with type {kind!r}; use {allowed}')
    if asked.startswith("decimal") and not 0 <= int(match[2]) <= int(match[1]) <= 38:
        raise UsageError(f"{spot}: {asked}: precision is 1 to 38 and at least the scale")
    return asked


def _check_constraints(constraints: dict[str, Any], kind: str, spot: str) -> None:
    texts_only = {"pattern", "minLength", "maxLength"} & set(constraints)
    if texts_only and kind != "string":
        raise UsageError(f"{spot}: {sorted(texts_only)[0]} goes with type 'string', not {kind!r}")
    ordered = {"minimum", "maximum"} & set(constraints)
    if ordered and kind in ("string", "boolean"):
        raise UsageError(f"{spot}: {sorted(ordered)[0]} does not go with type {kind!r}")
    if "pattern" in constraints:
        try:
            re.compile(constraints["pattern"])
        except (re.error, TypeError) as error:
            raise UsageError(f"{spot}: pattern {constraints['pattern']!r} does not compile: {error}") from error
    if "enum" in constraints and not (isinstance(constraints["enum"], list) and constraints["enum"]):
        raise UsageError(f"{spot}: enum must be a list with at least one value")
    for bound in ("minLength", "maxLength"):
        if bound in constraints and not (isinstance(constraints[bound], int) and constraints[bound] >= 0):
            raise UsageError(f"{spot}: {bound} must be a whole number of characters")
    for bound in ordered:
        if kind in ("number", "integer"):
            try:
                float(constraints[bound])
            except (TypeError, ValueError) as error:
                raise UsageError(f"{spot}: {bound} {constraints[bound]!r} is not a number") from error
