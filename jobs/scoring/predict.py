"""The model, then a check of what it returned."""

import json
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.contract.saved_model import SavedModel
from jobs.contract.table_schema import RESERVED
from jobs.errors import ModelMismatchError
from jobs.scoring import failures, sql
from jobs.scoring.calls import java_class
from jobs.scoring.model import ML, Model

FAULT = "_na_fault"
PREDICTIONS = ("predictionCol", "probabilityCol", "rawPredictionCol")
VECTOR = f"{ML}.linalg.VectorUDT"


def score(good: DataFrame, model: Model, saved: SavedModel) -> DataFrame:
    """Apply the model: the rows that come out of it, with `FAULT`: null, or `model-output:column` for the first unusable output."""
    scored = outputs(good, model)
    return scored.withColumn(FAULT, F.expr(fault(scored, good, saved)))


def fault(scored: DataFrame, good: DataFrame, saved: SavedModel, *before: str) -> str:
    """SQL for `FAULT` of the outputs that `scored` has and `good` has not; `before` are cases that come first."""
    cases = [
        f"WHEN NOT ({_usable(scored, column)}) THEN {sql.text('model-output:' + column)}"
        for column in prediction_columns(scored, good, saved)
    ]
    return (
        f"CASE {' '.join([*before, *cases])} ELSE CAST(NULL AS string) END"
        if before or cases
        else "CAST(NULL AS string)"
    )


def outputs(good: DataFrame, model: Model) -> DataFrame:
    """`model.transform(good)` with vectors as arrays. Raises `ModelMismatchError` for what Spark's analysis refuses."""
    try:
        scored = model.transform(good)
    except Exception as error:  # py4j, analysis and Python stages each raise their own kind
        raise ModelMismatchError(
            f"the model cannot be applied to the schema's columns: {failures.cause(error)}"
        ) from error
    # as Spark's JSON: for a vector among them `scored.schema` would load pyspark.ml, which takes a while
    java: Any = scored
    kinds = {field["name"]: field["type"] for field in json.loads(java._jdf.schema().json())["fields"]}
    lost = [name for name in good.columns if name not in kinds]
    if lost:
        what = "the job's own columns" if lost[0].startswith(RESERVED) else f"column {lost[0]!r}"
        raise ModelMismatchError(
            f"the model drops {what}, so its rows could not be accounted for; a SQLTransformer must SELECT *, and may add to it"
        )
    classes = {name: kind for name, kind in kinds.items() if isinstance(kind, dict) and kind["type"] == "udt"}
    for name, kind in classes.items():
        if not kind.get("pyClass"):
            raise ModelMismatchError(
                f"the model makes a column {name!r} of {kind.get('class')}, a type that only the JVM knows; "
                f"let the stage drop it, or give it as numbers or text"
            )
    arrays = {name: _as_array(scored, name) for name, kind in classes.items() if kind.get("class") == VECTOR}
    return scored.withColumns(arrays) if arrays else scored


def prediction_columns(scored: DataFrame, good: DataFrame, saved: SavedModel) -> list[str]:
    """The columns to hold to account: those of every predictor, or for a pipeline without one, what it added last."""
    named = [
        stage.params.get(param) for stage in saved.stages for param in PREDICTIONS if "predictionCol" in stage.params
    ]
    found = [name for name in dict.fromkeys(named) if isinstance(name, str) and name in scored.columns]
    return found or [name for name in scored.columns if name not in good.columns][-1:]


def _usable(scored: DataFrame, column: str) -> str:
    """SQL: neither null nor NaN nor infinite."""
    name, kind = sql.name(column), scored.schema[column].dataType
    if isinstance(kind, (T.DoubleType, T.FloatType)):
        return f"coalesce(abs({name}) < CAST('Infinity' AS double), false)"
    if isinstance(kind, T.ArrayType) and isinstance(kind.elementType, (T.DoubleType, T.FloatType)):
        return f"coalesce(forall({name}, v -> abs(v) < CAST('Infinity' AS double)), false)"
    return f"{name} IS NOT NULL"


def _as_array(frame: DataFrame, column: str) -> Column:
    # pyspark.ml.functions imports pandas on 3.5, which a cluster need not have
    vector: Any = F.col(sql.name(column))
    array = Column(java_class(frame.sparkSession, f"{ML}.functions").vector_to_array(vector._jc, "float64"))
    return F.when(vector.isNotNull(), array)  # it takes no null, as an encoder gives for null
