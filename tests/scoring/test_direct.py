"""Stages whose own method is called on the row give what `transform` gives, to the last bit, also for extreme values."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyspark.ml import Pipeline, PipelineModel, Transformer
from pyspark.ml.evaluation import RegressionEvaluator
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import (
    DecisionTreeRegressor,
    GBTRegressor,
    LinearRegression,
    RandomForestRegressor,
)
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
from pyspark.sql import DataFrame, SparkSession

from jobs.contract.saved_model import SavedModel
from jobs.scoring import direct, validate
from jobs.scoring.model import Model, of_python

ROWS = {"linear": 2_000_000}
FEWER_ROWS = 200_000  # of the others, which only compare
INPUTS = ["a", "b", "c", "whole"]
# a cell in three is one of these: zeros of both signs, the smallest and the largest, neighbours of one
EXTREMES = (
    "array(0D, -0D, 4.9E-324D, -2.2250738585072014E-308D, 1.7976931348623157E308D, 1e-200D, "
    "0.9999999999999999D, 1.0000000000000002D)"
)
SAVED = SavedModel("", ())
REGRESSIONS: dict[str, Callable[[], Any]] = {
    "linear": lambda: LinearRegression(labelCol="y", regParam=0.01),
    "linear-without-intercept": lambda: LinearRegression(labelCol="y", fitIntercept=False),
    "tree": lambda: DecisionTreeRegressor(labelCol="y"),
    "forest": lambda: RandomForestRegressor(labelCol="y", numTrees=5, seed=1),
    "boosted-trees": lambda: GBTRegressor(labelCol="y", maxIter=4, seed=1),
}


class OwnStage(Transformer):
    """A stage in Python, of which Java knows nothing."""

    def _transform(self, dataset: DataFrame) -> DataFrame:
        return dataset


def drawn(spark: SparkSession, count: int, *, extreme: bool) -> DataFrame:
    """`count` valid records with columns `INPUTS`, many of whose values are `EXTREMES` if so wanted."""

    def column(seed: int, name: str) -> str:
        plain = f"(rand({seed}) - 0.5D) * pow(10D, CAST(rand({seed + 100}) * 12 AS int))"
        drawn = f"element_at({EXTREMES}, CAST(rand({seed + 200}) * 8 AS int) + 1)"
        return f"CASE WHEN {str(extreme).lower()} AND rand({seed + 300}) < 0.33 THEN {drawn} ELSE {plain} END AS {name}"

    columns = [column(seed, name) for seed, name in enumerate(("a", "b", "c"))]
    return spark.range(0, count, 1, 4).selectExpr(
        "id", *columns, "CAST(rand(7) * 3 AS bigint) AS whole", f"true AS {validate.VALID}"
    )


@pytest.fixture(scope="module")
def training(spark: SparkSession) -> Iterator[DataFrame]:
    """Rows to fit on."""
    rows = drawn(spark, 400, extreme=False).selectExpr("*", "a * 2 - b / 3 + sqrt(abs(c)) + whole AS y").cache()
    yield rows
    rows.unpersist()  # another file's tests look for what the job leaves there


# whether the two differ in a bit: only zeros are of one value and of two signs, which their text tells
DIFFERENT = "NOT (p <=> prediction AND (p != 0 OR CAST(p AS string) = CAST(prediction AS string)))"


def both(model: PipelineModel, records: DataFrame) -> DataFrame:
    """The `records` with the prediction of `direct` as `p`, and that of `transform`."""
    scored = direct.score(records, Model(of_python(records.sparkSession, model)), SAVED)
    assert scored is not None
    return model.transform(scored.withColumnRenamed("features", "f").withColumnRenamed("prediction", "p"))


@pytest.mark.parametrize("name", REGRESSIONS)
def test_predictions_are_those_of_transform(name: str, spark: SparkSession, training: DataFrame) -> None:
    assembler = VectorAssembler(inputCols=INPUTS, outputCol="features")
    model = Pipeline(stages=[assembler, REGRESSIONS[name]()]).fit(training)
    rows = ROWS.get(name, FEWER_ROWS)
    compared = both(model, drawn(spark, rows, extreme=True))
    different = f"first(CASE WHEN {DIFFERENT} THEN struct(p, prediction, a, b, c, whole) END, true)"
    # all four trees may give the same for many, but not one value for all
    values = "size(collect_set(CASE WHEN id < 10000 THEN p END))"
    assert tuple(compared.selectExpr("count(*)", different, f"{values} > 5").first() or ()) == (rows, None, True)


def test_a_vector_of_more_columns_than_are_unrolled_is_summed_up_in_the_same_order(spark: SparkSession) -> None:
    names = [f"x{n}" for n in range(23)]
    columns = [
        f"CASE WHEN rand({n}) < 0.6 THEN 0D ELSE (rand({n + 50}) - 0.5D) * {n + 1} END AS x{n}" for n in range(23)
    ]
    frame = spark.range(100_000).selectExpr("id", *columns, f"true AS {validate.VALID}", "rand(99) AS y")
    stages: list[Any] = [VectorAssembler(inputCols=names, outputCol="features"), LinearRegression(labelCol="y")]
    model = Pipeline(stages=stages).fit(frame.limit(500))
    scored = direct.score(frame, Model(of_python(spark, model)), SAVED)
    assert scored is not None
    again = model.transform(scored.withColumnRenamed("features", "f").withColumnRenamed("prediction", "p"))
    assert again.where("NOT CAST(p AS string) <=> CAST(prediction AS string)").count() == 0


def test_numbers_of_every_kind_and_flags_are_those_of_transform(spark: SparkSession) -> None:
    whole = ["tinyint", "smallint", "int", "bigint"]
    kinds = [*whole, "float", "double", "decimal(20,4)", "boolean"]
    columns = [
        f"CAST(id * {n + 3} % {n + 7} {'' if kind in whole else '/ 3'} AS {kind}) AS x{n}"
        for n, kind in enumerate(kinds)
    ]
    frame = spark.range(200).selectExpr("id", *columns, f"true AS {validate.VALID}", "rand(99) AS y")
    names = [f"x{n}" for n in range(len(kinds))]
    stages: list[Any] = [VectorAssembler(inputCols=names, outputCol="features"), LinearRegression(labelCol="y")]
    model = Pipeline(stages=stages).fit(frame)
    scored = direct.score(frame, Model(of_python(spark, model)), SAVED)
    assert scored is not None
    again = model.transform(scored.withColumnRenamed("features", "f").withColumnRenamed("prediction", "p"))
    assert again.where("CAST(p AS string) = CAST(prediction AS string)").count() == 200


def test_what_is_missing_or_not_valid_gets_no_prediction(spark: SparkSession, training: DataFrame) -> None:
    assembler = VectorAssembler(inputCols=INPUTS, outputCol="features", handleInvalid="skip")
    model = Pipeline(stages=[assembler, REGRESSIONS["tree"]()]).fit(training)
    rows = [(1, 1.0, 2.0, 3.0, 1, True), (2, None, 2.0, 3.0, 1, True), (3, 1.0, 2.0, 3.0, 1, False)]
    records = spark.createDataFrame(
        [*rows, (4, 1.0, float("nan"), 3.0, 1, True)],
        f"id int, a double, b double, c double, whole bigint, {validate.VALID} boolean",
    )
    scored = direct.score(records, Model(of_python(spark, model)), SavedModel("", ()))
    assert scored is not None
    assert {row["id"]: row["prediction"] is not None for row in scored.collect()} == {
        1: True,
        2: False,
        3: False,
        4: False,
    }


def test_other_stages_are_left_to_transform(spark: SparkSession, training: DataFrame) -> None:
    assembler = VectorAssembler(inputCols=INPUTS, outputCol="features", handleInvalid="keep")
    model = Pipeline(stages=[assembler, REGRESSIONS["tree"]()]).fit(training)
    assert direct.score(drawn(spark, 1, extreme=False), Model(of_python(spark, model)), SAVED) is None
    known = Pipeline(stages=[VectorAssembler(inputCols=INPUTS, outputCol="features"), REGRESSIONS["tree"]()]).fit(
        training
    )
    assert direct.score(drawn(spark, 1, extreme=False), Model(of_python(spark, known)), SAVED) is not None
    own = Model([*of_python(spark, known), OwnStage()])
    assert direct.score(drawn(spark, 1, extreme=False), own, SAVED) is None


def test_what_a_validation_found_best_is_known_wherever_it_was_saved(spark: SparkSession, training: DataFrame) -> None:
    line = LinearRegression(labelCol="y")
    grid = ParamGridBuilder().addGrid(line.regParam, [0.01]).build()
    inner = Pipeline(stages=[VectorAssembler(inputCols=INPUTS, outputCol="features"), line])
    validator = CrossValidator(
        estimator=inner, estimatorParamMaps=grid, evaluator=RegressionEvaluator(labelCol="y"), numFolds=2, seed=1
    )
    compared = both(Pipeline(stages=[validator]).fit(training), drawn(spark, 2000, extreme=True))
    assert compared.where(DIFFERENT).count() == 0
    assert compared.where("p != 0").count() > 1000
