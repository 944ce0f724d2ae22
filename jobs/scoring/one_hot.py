"""A category that the encoder has not seen: its row is left out, and accounted for, instead of ending the run."""

from collections.abc import Iterator
from typing import Any

from pyspark.ml import PipelineModel
from pyspark.ml.feature import OneHotEncoderModel, SQLTransformer, StringIndexerModel

from jobs.scoring import sql


def guarded(model: PipelineModel) -> PipelineModel:
    """`model` with a filter in front of every one-hot encoder that fails on what it does not know.

    The encoder has no `skip` to be set to, unlike the other stages with `handleInvalid`.
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
    if isinstance(stage, OneHotEncoderModel) and stage.getHandleInvalid() == "error":
        sizes = zip(columns(stage._java_obj, "input"), stage.categorySizes)
        tests = [known(column, size) for column, size in sizes if column not in indexed]
        if tests:
            statement = f"SELECT * FROM __THIS__ WHERE {' AND '.join(tests)}"  # noqa: S608 - quoted names, and numbers
            yield SQLTransformer(statement=statement)
    elif isinstance(best, PipelineModel):
        stage.bestModel = guarded(best)
    yield guarded(stage) if isinstance(stage, PipelineModel) else stage


def columns(java: Any, kind: str) -> list[str]:
    """The columns of a stage's Java object that may have one or several: of `kind` input or output."""
    several = java.getParam(f"{kind}Cols")
    return list(java.getOrDefault(several)) if java.isSet(several) else [java.getOrDefault(java.getParam(f"{kind}Col"))]


def known(column: str, size: int) -> str:
    """SQL: whether the encoder has a place for the number in `column`, or it is missing."""
    value = f"CAST({sql.name(column)} AS double)"
    # a missing value is the encoder's own to judge
    return f"coalesce({value} >= 0 AND {value} < {size}, true)"
