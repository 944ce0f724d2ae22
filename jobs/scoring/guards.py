"""A value for which a stage ends the run whatever it is set to: its row is left out, and accounted for."""

from collections.abc import Iterator
from typing import Any

from jobs.scoring import sql


def tests(java: Any, kind: str, indexed: set[str]) -> Iterator[str]:
    """SQL for what a stage can take of each of its columns, where that is not all: a one-hot encoder, a bucketizer or ALS.

    The encoder has no `skip` to be set to; the bucketizer's is for missing numbers alone, and so is its `keep`; what ALS does with
    users and items that it does not know is for those alone that are 32-bit whole numbers. Columns in `indexed` fit as they are.
    """
    if kind == "OneHotEncoderModel" and java.getHandleInvalid() == "error":
        for column, size in zip(columns(java, "input"), java.categorySizes()):
            if column not in indexed:
                yield known(column, size)
    elif kind == "Bucketizer":
        several = java.getSplitsArray() if java.isSet(java.getParam("splitsArray")) else [java.getSplits()]
        for column, splits in zip(columns(java, "input"), several):
            least, most = splits[0], splits[-1]
            if least > float("-inf") or most < float("inf"):
                yield _within(column, least, most)
    elif kind == "ALSModel":
        for column in (java.getUserCol(), java.getItemCol()):
            yield f"coalesce({sql.name(column)} = CAST({sql.name(column)} AS int), false)"


def columns(java: Any, kind: str) -> list[str]:
    """The columns of a stage's Java object that may have one or several: of `kind` input or output."""
    several = java.getParam(f"{kind}Cols")
    return list(java.getOrDefault(several)) if java.isSet(several) else [java.getOrDefault(java.getParam(f"{kind}Col"))]


def known(column: str, size: int) -> str:
    """SQL: whether the encoder has a place for the number in `column`, or it is missing."""
    value = f"CAST({sql.name(column)} AS double)"
    # a missing value is the encoder's own to judge
    return f"coalesce({value} >= 0 AND {value} < {size}, true)"


def _within(column: str, least: float, most: float) -> str:
    """SQL: whether the number in `column` is in one of the buckets, or it is missing, which includes NaN."""
    value = f"CAST({sql.name(column)} AS double)"
    inside = f"{value} >= CAST('{least!r}' AS double) AND {value} <= CAST('{most!r}' AS double)"
    if str(least) == "0.0":  # the bucketizer looks for numbers as Java sorts them, -0.0 below 0.0
        inside += f" AND NOT ({value} = 0 AND CAST({value} AS string) = '-0.0')"
    # a missing value is the bucketizer's own to judge
    return f"coalesce(isnan({value}) OR ({inside}), true)"
