"""The input's columns, as agreed: a Table Schema (https://specs.frictionlessdata.io/table-schema/) in JSON."""

import difflib
import json
import math
import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from jobs import documents
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
# of the narrower integers
BITS = {"tinyint": 8, "smallint": 16, "int": 32, "integer": 32}
CONSTRAINTS = {"required", "unique", "minimum", "maximum", "enum", "pattern", "minLength", "maxLength"}
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
REASONS = (
    *("type-error", "constraint-error", "missing-cell", "extra-cell", "unique-error", "encoding-error"),
    *("unbalanced-quote", "repeated-header", "model-dropped", "model-output"),
)
REJECTS_OWN = ("_reasons", "_source", "_record")


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
    if not isinstance(limits, dict) or not all(re.fullmatch(r"\d+(\.\d+)?%?", str(v)) for v in limits.values()):
        raise UsageError(
            f'schema {where}: "nightly:maxRejects" maps a reason to a count or a rate, as {{"type-error": "1%"}}'
        )
    for reason in limits:
        code, of_one, column = reason.partition(":")
        if code not in REASONS or (of_one and code != "model-output" and column not in names):
            raise UsageError(
                f'schema {where}: "nightly:maxRejects": no reason {reason!r}; use {", ".join(REASONS)}, or one:column'
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
    constraints = entry.get("constraints", {})
    if not isinstance(constraints, dict):
        raise UsageError(f'{spot}: constraints must be an object, as {{"required": true}}')
    strangers = set(constraints) - CONSTRAINTS
    if strangers:
        raise UsageError(
            f"{spot}: constraint {sorted(strangers)[0]!r} is not supported; use {', '.join(sorted(CONSTRAINTS))}"
        )
    spark_type = _spark_type(entry.get("spark:type"), kind, spot)
    _check_constraints(constraints, kind, spark_type, spot)
    return Field(name, kind, spark_type, constraints)


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


def _check_constraints(constraints: dict[str, Any], kind: str, spark_type: str, spot: str) -> None:
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
    for flag in ("required", "unique"):
        if not isinstance(constraints.get(flag, False), bool):
            raise UsageError(f"{spot}: {flag} must be true or false")
    for bound in ("minLength", "maxLength"):
        length = constraints.get(bound, 0)
        if isinstance(length, bool) or not isinstance(length, int) or length < 0:
            raise UsageError(f"{spot}: {bound} must be a whole number of characters")
    options = constraints.get("enum", [None])
    if not isinstance(options, list) or not options:
        raise UsageError(f"{spot}: enum must be a list with at least one value")
    values = [(bound, constraints[bound]) for bound in sorted(ordered)]
    values += [("enum", option) for option in options] if "enum" in constraints else []
    for rule, value in values:
        # one that does not read as the column's type would be null in Spark, and then never be broken
        if not _reads_as(kind, value):
            raise UsageError(f"{spot}: {rule} {value!r} does not read as type {kind!r}; correct it")
        if not _fits(spark_type, rule, value):
            raise UsageError(f"{spot}: {rule} {value!r} does not fit into {spark_type}; correct it, or widen the type")


def _reads_as(kind: str, value: Any) -> bool:
    """Whether a bound or option of the schema is a value of type `kind`."""
    if kind in ("string", "boolean"):
        return isinstance(value, str if kind == "string" else bool)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return False
    text = str(value)
    if "_" in text:  # Python takes 1_000
        return False
    try:
        if kind == "number":
            return math.isfinite(float(text)) and Decimal(text).is_finite()
        if kind == "integer":
            whole = int(text) == value if isinstance(value, float) else re.fullmatch(r"[+-]?[0-9]+", text) is not None
            return whole and -(1 << 63) <= int(text) < 1 << 63
        if kind == "date":
            return re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is not None and bool(date.fromisoformat(text))
        if not re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d", text):  # Python takes 20260101T100000, Spark does not
            return False
        return bool(datetime.fromisoformat(re.sub("Z$", "+00:00", text)))
    except (ValueError, ArithmeticError):
        return False


def _fits(spark_type: str, rule: str, value: Any) -> bool:
    """Whether a column of the type can be held to the rule: Spark rounds a decimal, and takes a number too large for null,
    with which nothing is compared.
    """
    sized = re.fullmatch(r"decimal\((\d+), ?(\d+)\)", spark_type)
    if not sized and spark_type not in BITS:
        return True
    scale = int(sized[2]) if sized else 0
    most = 10 ** int(sized[1]) - 1 if sized else (1 << BITS[spark_type] - 1) - 1
    least = -most if sized else -most - 1
    sign, digits, exponent = Decimal(str(value)).as_tuple()
    units = Decimal((sign, digits, int(exponent) + scale))  # exact, where arithmetic would round
    # a bound that every value keeps may be beyond them all
    low_enough = units <= most or rule == "maximum"
    high_enough = units >= least or rule == "minimum"
    return low_enough and high_enough and units == units.to_integral_value()
