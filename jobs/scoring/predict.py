"""The model, then a check of what it returned."""

from collections.abc import Iterator
from typing import Any, Optional, cast

from pyspark.ml import PipelineModel
from pyspark.ml.linalg import VectorUDT
from pyspark.ml.util import JavaMLReader
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.contract.saved_model import SavedModel
from jobs.contract.table_schema import RESERVED
from jobs.errors import ModelMismatchError
from jobs.scoring import failures, guards, session, sql

FAULT = "_na_fault"
PREDICTIONS = ("predictionCol", "probabilityCol", "rawPredictionCol")


def load(spark: SparkSession, uri: str, saved: SavedModel) -> PipelineModel:
    """The saved pipeline, set so that a row a stage cannot take is left out, and then accounted for, not fatal.

    Raises `ModelMismatchError`.
    """
    try:
        # PipelineModel.load would start a Python worker to read one line: whether any stage is a Python class
        reader: Any = PipelineModel if saved.in_python else JavaMLReader(cast("Any", PipelineModel))
        model: PipelineModel = reader.load(session.exactly(uri))
    except Exception as error:  # whatever a file that is damaged or missing makes Spark say
        if failures.is_the_stores(error):
            raise
        raise ModelMismatchError(
            f"model {uri}: cannot be loaded: {failures.cause(error)}; copy it again, or fit and save it again"
        ) from error
    for stage, java in stages(model):
        # `skip` gives every other row exactly what `error` gives, and `error` would end the whole run
        if _has_skip(java) and java.getHandleInvalid() == "error":
            java.set(java.getParam("handleInvalid"), "skip")
            if stage is not None:  # its own settings are copied over the Java object's with each transform
                stage.set(stage.getParam("handleInvalid"), "skip")
    return guards.guarded(model)


def score(good: DataFrame, model: PipelineModel, saved: SavedModel) -> DataFrame:
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


def outputs(good: DataFrame, model: PipelineModel) -> DataFrame:
    """`model.transform(good)` with vectors as arrays. Raises `ModelMismatchError` for what Spark's analysis refuses."""
    try:
        scored = model.transform(good)
    except Exception as error:  # py4j, analysis and Python stages each raise their own kind
        raise ModelMismatchError(
            f"the model cannot be applied to the schema's columns: {failures.cause(error)}"
        ) from error
    lost = [name for name in good.columns if name not in scored.columns]
    if lost:
        what = "the job's own columns" if lost[0].startswith(RESERVED) else f"column {lost[0]!r}"
        raise ModelMismatchError(
            f"the model drops {what}, so its rows could not be accounted for; a SQLTransformer must SELECT *, and may add to it"
        )
    arrays = {f.name: _as_array(scored, f.name) for f in scored.schema.fields if isinstance(f.dataType, VectorUDT)}
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
    jvm: Any = frame.sparkSession.sparkContext._jvm
    array = Column(jvm.org.apache.spark.ml.functions.vector_to_array(frame[column]._jc, "float64"))
    return F.when(frame[column].isNotNull(), array)  # it takes no null, as an encoder gives for null


def stages(model: Any) -> Iterator[tuple[Optional[Any], Any]]:
    """Every stage, if Python knows it, and the Java object behind it; those inside a pipeline, a cross-validation or an R formula too."""
    for stage in getattr(model, "stages", [model]):
        inner = getattr(stage, "bestModel", None) or (stage if hasattr(stage, "stages") else None)
        java: Optional[Any] = getattr(stage, "_java_obj", None)
        if inner is not None:
            yield from stages(inner)
        elif java is not None and java.getClass().getSimpleName() == "RFormulaModel":
            yield from ((None, inside) for inside in java.pipelineModel().stages())
        elif java is not None:
            yield stage, java


def of_kind(model: Any, kind: str) -> list[Any]:
    """The Java objects of the stages whose class is `kind`, as `StringIndexerModel`."""
    return [java for _, java in stages(model) if java.getClass().getSimpleName() == kind]


def _has_skip(stage: Any) -> bool:
    if not stage.hasParam("handleInvalid"):
        return False
    return bool(stage.getParam("handleInvalid").isValid().apply("skip"))
