"""A field's constraints: that each goes with the column's type, and that its value is one of that type."""

import math
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from jobs.errors import UsageError

# what may be asked of a cell besides its type
NAMES = {"required", "unique", "minimum", "maximum", "enum", "pattern", "minLength", "maxLength"}
# a time as Spark's cast takes it; Python takes others too, and other ones with each version
MOMENT = r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.\d{1,6})?(?:Z|[+-](?:0\d|1[0-7]):?[0-5]\d|[+-]18:?00)?"
# of the narrower integers
BITS = {"tinyint": 8, "smallint": 16, "int": 32, "integer": 32}


def checked(constraints: Any, kind: str, spark_type: str, spot: str) -> dict[str, Any]:
    """Those of a field, if a column of its type can be held to each. Raises `UsageError`, with `spot` as its place."""
    if not isinstance(constraints, dict):
        raise UsageError(f'{spot}: constraints must be an object, as {{"required": true}}')
    strangers = set(constraints) - NAMES
    if strangers:
        raise UsageError(
            f"{spot}: constraint {sorted(strangers)[0]!r} is not supported; use {', '.join(sorted(NAMES))}"
        )
    texts_only = {"pattern", "minLength", "maxLength"} & set(constraints)
    if texts_only and kind != "string":
        raise UsageError(f"{spot}: {sorted(texts_only)[0]} goes with type 'string', not {kind!r}")
    ordered = {"minimum", "maximum"} & set(constraints)
    if ordered and kind in ("string", "boolean"):
        raise UsageError(f"{spot}: {sorted(ordered)[0]} does not go with type {kind!r}")
    _check_form(constraints, spot)
    values = [(bound, constraints[bound]) for bound in sorted(ordered)]
    values += [("enum", option) for option in constraints["enum"]] if "enum" in constraints else []
    for rule, value in values:
        # one that does not read as the column's type would be null in Spark, and then never be broken
        if not _reads_as(kind, value):
            raise UsageError(f"{spot}: {rule} {value!r} does not read as type {kind!r}; correct it")
        if not _fits(spark_type, rule, value):
            raise UsageError(f"{spot}: {rule} {value!r} does not fit into {spark_type}; correct it, or widen the type")
    return constraints


def _check_form(constraints: dict[str, Any], spot: str) -> None:
    """What each of them may be, whatever the column's type."""
    pattern = constraints.get("pattern", "")
    if not isinstance(pattern, str):  # a text is shown to Java, whose patterns are others than Python's
        raise UsageError(f"{spot}: pattern {pattern!r} does not compile: it is no text; write it in quotes")
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


def _reads_as(kind: str, value: Any) -> bool:
    """Whether a bound or option of the schema is a value of type `kind`."""
    if kind in ("string", "boolean"):
        return isinstance(value, str if kind == "string" else bool)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return False
    text = str(value)
    if "_" in text or not text.isascii():  # Python takes 1_000, and digits of any script
        return False
    try:
        if kind == "number":
            return math.isfinite(float(text)) and Decimal(text).is_finite()
        if kind == "integer":
            whole = int(text) == value if isinstance(value, float) else re.fullmatch(r"[+-]?[0-9]+", text) is not None
            return whole and -(1 << 63) <= int(text) < 1 << 63
        if kind == "date":
            return re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is not None and bool(date.fromisoformat(text))
        moment = re.fullmatch(MOMENT, text)
        return moment is not None and bool(datetime.fromisoformat(moment[1]))
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
