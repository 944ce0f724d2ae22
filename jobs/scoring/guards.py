"""A value for which a stage ends the run whatever it is set to: its row is left out, and accounted for."""

from collections.abc import Iterator
from typing import Any

from pyspark.ml import PipelineModel
from pyspark.ml.feature import Bucketizer, OneHotEncoderModel, SQLTransformer, StringIndexerModel
from pyspark.ml.recommendation import ALSModel

from jobs.scoring import sql


def guarded(model: PipelineModel) -> PipelineModel:
    """`model` with a filter in front of every one-hot encoder, bucketizer and ALS that fails on some values.

    The encoder has no `skip` to be set to; the bucketizer's is for missing numbers alone, and so is its `keep`; what ALS does with
    users and items that it does not know is for those alone that are 32-bit whole numbers.
    """
    # what an indexer gives is one of the categories by itself, and need not be looked at twice
    indexed = {
        name
        for stage in model.stages
        if isinstance(stage, StringIndexerModel)
        for name in columns(stage._java_obj, "output")
    }
    return PipelineModel([kept for stage in model.stages for kept in _guarded(stage, indexed)])


def _guarded(stage: Any, indexed: set[str]) -> Iterator[Any]:
    best = getattr(stage, "bestModel", None)
    tests = list(_tests(stage, indexed))
    if tests:
        yield SQLTransformer(statement=f"SELECT * FROM __THIS__ WHERE {' AND '.join(tests)}")  # noqa: S608 - quoted names, and numbers
    elif isinstance(best, PipelineModel):
        stage.bestModel = guarded(best)
    yield guarded(stage) if isinstance(stage, PipelineModel) else stage


def _tests(stage: Any, indexed: set[str]) -> Iterator[str]:
    """SQL for what the stage can take of each of its columns, where that is not all."""
    if isinstance(stage, OneHotEncoderModel) and stage.getHandleInvalid() == "error":
        for column, size in zip(columns(stage._java_obj, "input"), stage.categorySizes):
            if column not in indexed:
                yield known(column, size)
    elif isinstance(stage, Bucketizer):
        several = stage.getSplitsArray() if stage.isSet("splitsArray") else [stage.getSplits()]
        for column, splits in zip(columns(stage._java_obj, "input"), several):
            if splits[0] > float("-inf") or splits[-1] < float("inf"):
                yield _within(column, splits[0], splits[-1])
    elif isinstance(stage, ALSModel):
        for column in (stage.getUserCol(), stage.getItemCol()):
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
