"""Common pipelines without `transform`: each stage's own method is called on the row, in the same generated code as all else.

What comes out is what `transform` gives, bit for bit, as it is the same method of the same object that works it out; what is left out
is the way there, through a row, a vector and back for each stage. A pipeline with any other stage goes through `transform`.
"""

from collections.abc import Mapping
from typing import Any, Optional

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.contract.saved_model import SavedModel
from jobs.scoring import predict, sql, validate
from jobs.scoring.calls import Calls
from jobs.scoring.chain import Chain, SqlOrColumn
from jobs.scoring.model import ML, Model

DOUBLES, VECTOR, VECTORS = "[D", f"{ML}.linalg.Vector", f"{ML}.linalg.Vectors"
REGRESSIONS = (
    "LinearRegressionModel",
    "DecisionTreeRegressionModel",
    "RandomForestRegressionModel",
    "GBTRegressionModel",
)
# a method of some thousand bytes builds the vector; wider ones go through `transform`
MOST_FEATURES = 100
# columns of records: with more, what comes before the model and what comes after it are too much for one method (0009)
MOST_IN_ONE_METHOD = 8
NUMBERS = (T.NumericType, T.BooleanType)


def score(records: DataFrame, model: Model, saved: SavedModel) -> Optional[DataFrame]:
    """`records` with the model's outputs and `predict.FAULT`, which is set for every record not `validate.VALID`, too.

    No row is left out: where a stage would drop one its outputs are null, which is a fault. None if a stage is not known here.
    """
    if not model.is_sparks:
        return None
    scored = _outputs(records if len(records.columns) <= MOST_IN_ONE_METHOD else validate.fenced(records), model)
    return scored and scored.withColumn(
        predict.FAULT, F.expr(predict.fault(scored, records, saved, f"WHEN NOT {validate.VALID} THEN 'not valid'"))
    )


def _outputs(records: DataFrame, model: Model) -> Optional[DataFrame]:
    kinds = {field.name: field.dataType for field in records.schema.fields}
    chain, vectors = Chain(records), set[str]()
    for stage in model.jvm_stages:
        java, kind = stage.java, stage.kind
        if kind == "VectorAssembler":
            added = _assembled(java, kinds, vectors)
        elif kind in REGRESSIONS:
            added = _predicted(chain.calls, java, vectors)
        else:
            return None
        if added is None or added[0] in chain.columns:
            return None
        chain = chain.also(dict([added]))
        if kind in REGRESSIONS:
            kinds[added[0]] = T.DoubleType()
    return chain.frame()


def _assembled(java: Any, kinds: Mapping[str, T.DataType], vectors: set[str]) -> Optional[tuple[str, SqlOrColumn]]:
    """The stage's vector, as an array, if it is made of numbers alone; null where one of them is missing."""
    names, output = list(java.getInputCols()), java.getOutputCol()
    if java.getHandleInvalid() == "keep" or len(names) > MOST_FEATURES:
        return None
    if not all(isinstance(kinds.get(name), NUMBERS) for name in names):
        return None
    # the assembler leaves zeros out, and with them the sign of a negative one
    numbers = [f"CAST({sql.name(name)} AS double)" for name in names]
    elements = ", ".join(f"{number} + 0D" for number in numbers)
    there = " AND ".join(f"NOT isnan({number}) AND {number} IS NOT NULL" for number in numbers)
    vectors.add(output)
    return output, f"CASE WHEN {validate.VALID} AND {there} THEN array({elements}) END"


def _predicted(calls: Calls, java: Any, vectors: set[str]) -> Optional[tuple[str, SqlOrColumn]]:
    """What the regression predicts, if it is of a vector made here."""
    features, output = java.getFeaturesCol(), java.getPredictionCol()
    if features not in vectors or not output or (java.hasParam("leafCol") and java.getLeafCol()):
        return None
    vector = calls.object_of(VECTOR)
    numbers = calls.method(calls.sql(sql.name(features)), "toDoubleArray", calls.object_of(DOUBLES))
    # compressed as the assembler does it: sparse and dense vectors are summed up in different ways
    assembled = calls.method(calls.static(VECTORS, "dense", vector, numbers), "compressed", vector)
    name = java.getClass().getName()
    # a few numbers: a copy for each task costs less than a look into what is shared for each row
    here = calls.held(java, name) if name.endswith(".LinearRegressionModel") else calls.shared(java, name)
    called = calls.method(here, "predict", calls.kind("double"), assembled)
    return output, F.when(F.expr(f"{sql.name(features)} IS NOT NULL"), calls.column(called))
