"""A pipeline is applied as the JVM has it: its stages may be of any class there, and PySpark need not know them."""

from pathlib import Path

import pytest
from pyspark.ml import PipelineModel, Transformer
from pyspark.ml.param.shared import HasInputCol, HasOutputCol, HasThreshold
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from pyspark.ml.wrapper import JavaTransformer
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, UserDefinedType

from jobs import program
from jobs.scoring.calls import java_class
from tests.support import jvm, models
from tests.support.runs import Ended, Score

ROWS = {"a": 0.5, "b": -2.0, "c": 1e300}


@pytest.fixture(scope="module")
def library(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The library of stages on the class path of this process's Spark."""
    path = jvm.jar(spark, tmp_path_factory.mktemp("library") / "shop.jar")
    loader = java_class(spark, "java.lang.Thread").currentThread().getContextClassLoader()
    loader.addURL(java_class(spark, "java.net.URL")(path.as_uri()))


class Above(
    JavaTransformer, HasInputCol, HasOutputCol, HasThreshold, DefaultParamsReadable["Above"], DefaultParamsWritable
):
    """A team's own object for a stage of the JVM: its settings get there with each transform, and not before."""

    def __init__(self) -> None:
        super().__init__()
        self._java_obj = self._new_java_obj("org.apache.spark.ml.feature.Binarizer", self.uid)


class OnlyPython(UserDefinedType):
    """A type that the JVM knows nothing of."""

    @classmethod
    def sqlType(cls) -> DoubleType:
        return DoubleType()

    @classmethod
    def module(cls) -> str:
        return __name__


class Marking(Transformer, DefaultParamsReadable["Marking"], DefaultParamsWritable):
    """Adds a column of that type."""

    def _transform(self, dataset: DataFrame) -> DataFrame:
        return dataset.withColumn("odd", F.lit(None).cast(OnlyPython())).withColumn("prediction", F.col("x"))


def scored(plain: Score, folder: Path, stage: str, expression: str) -> Ended:
    """A night with a model of the one stage behind an assembler."""
    return night(plain, folder, jvm.model(stage, expression, folder / "model"))


def night(plain: Score, folder: Path, model: Path) -> Ended:
    """A night with the rows above."""
    (folder / "in.csv").write_text("id,x\n" + "".join(f"{key},{value!r}\n" for key, value in ROWS.items()))
    policy = {"actions": [], "otherwise": "keep", "columns": {"id": "id", "prediction": "prediction"}}
    return plain(input=folder / "in.csv", model=model, policy=policy)


@pytest.mark.parametrize(
    "stage", ["shop.Predicting", "shop.LinearRegressionModel", "org.apache.spark.ml.feature.Predicting", "Predicting"]
)
def test_a_stage_that_the_jvm_alone_knows_predicts_what_it_says(
    stage: str, library: None, plain: Score, tmp_path: Path
) -> None:
    ended = scored(plain, tmp_path, stage, "x * 2 + 1")
    assert ended.code == 0, ended.stderr
    assert {row["id"]: float(row["prediction"]) for row in ended.actions} == {k: x * 2 + 1 for k, x in ROWS.items()}


@pytest.mark.parametrize(
    ("stage", "expression", "says"),
    [
        ("shop.Predicting", "x + rand()", "stage x + rand() of the model: rand is not allowed"),
        ("org.apache.spark.ml.feature.Predicting", "x + rand()", "rand is not allowed"),
        ("Predicting", "x + rand()", "rand is not allowed"),
        (
            "shop.Odd",
            "x",
            "makes a column 'odd' of shop.OddType, a type that only the JVM knows; let the stage drop it",
        ),
        ("shop.Copying", "x + 1", "makes other rows of those it is given (MapPartitions)"),
        ("shop.Gone", "x", "ClassNotFoundException: shop.Gone; ship the jar that has this class: --spark '--jars"),
    ],
)
def test_one_that_cannot_be_held_to_account_or_found_is_refused(
    stage: str, expression: str, says: str, library: None, plain: Score, tmp_path: Path
) -> None:
    ended = scored(plain, tmp_path, stage, expression)
    assert ended.code == 4, ended.stderr
    assert says in ended.error
    assert not list(ended.output.rglob("actions.csv"))


def test_a_python_object_of_the_teams_own_for_a_stage_of_the_jvm_keeps_its_settings(
    spark: SparkSession, plain: Score, tmp_path: Path
) -> None:
    stage = Above()
    stage._set(inputCol="x", outputCol="prediction", threshold=1.0)
    ended = night(plain, tmp_path, models.saved(PipelineModel([stage]), tmp_path / "model"))
    assert ended.code == 0, ended.stderr
    assert {row["id"]: float(row["prediction"]) for row in ended.actions} == {k: float(x > 1) for k, x in ROWS.items()}


def test_a_column_of_a_type_that_python_alone_knows_is_none_of_the_jobs_business(plain: Score, tmp_path: Path) -> None:
    ended = night(plain, tmp_path, models.saved(PipelineModel([Marking()]), tmp_path / "model"))
    assert ended.code == 0, ended.stderr
    assert {row["id"]: float(row["prediction"]) for row in ended.actions} == ROWS


def test_what_pyspark_needs_to_load_a_model_and_has_not_is_named(
    plain: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(module: str) -> None:
        raise ImportError(f"No module named 'numpy', for {module}")

    monkeypatch.setattr(program, "whole_import", lacking)
    ended = night(plain, tmp_path, models.saved(PipelineModel([Marking()]), tmp_path / "model"))
    assert ended.code == 4, ended.stderr
    assert "lacks a module (No module named 'numpy', for pyspark.ml); install that" in ended.error
