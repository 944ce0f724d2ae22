"""A model that does not keep its rows, their keys or its values is refused by the stage or column that is at fault."""

from pathlib import Path
from typing import Any

import pytest
from pyspark.ml import PipelineModel, Transformer
from pyspark.ml.feature import SQLTransformer
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from tests.support import models
from tests.support.runs import Ended, Score


class Stage(Transformer, DefaultParamsReadable[Any], DefaultParamsWritable):
    """A stage of the team's own; a prediction is the column x."""


class ThroughRdd(Stage):
    """Goes through Python's rows."""

    def _transform(self, frame: DataFrame) -> DataFrame:
        kinds = T.StructType([*frame.schema.fields, T.StructField("prediction", T.DoubleType())])
        return frame.sparkSession.createDataFrame(frame.rdd.map(lambda row: (*row, row["x"])), kinds)


class ThroughDriver(Stage):
    """Takes all rows to the driver and back."""

    def _transform(self, frame: DataFrame) -> DataFrame:
        kinds = T.StructType([*frame.schema.fields, T.StructField("prediction", T.DoubleType())])
        return frame.sparkSession.createDataFrame([(*row, row["x"]) for row in frame.collect()], kinds)


class Checkpoint(Stage):
    """Forgets where its rows are from."""

    def _transform(self, frame: DataFrame) -> DataFrame:
        return frame.withColumn("prediction", F.col("x")).localCheckpoint()


class UpperKey(Stage):
    """Makes one key of several."""

    def _transform(self, frame: DataFrame) -> DataFrame:
        return frame.withColumns({"id": F.upper("id"), "prediction": F.col("x")})


class HashOfAll(Stage):
    """Takes the job's own columns too."""

    def _transform(self, frame: DataFrame) -> DataFrame:
        return frame.withColumn("prediction", F.hash("*"))


class Harmless(Stage):
    """Gives every column its own name again, and calls a function that says it is to be called once."""

    def _transform(self, frame: DataFrame) -> DataFrame:
        renamed = frame.select(*(F.col(name).alias(f"its {name}") for name in frame.columns)).toDF(*frame.columns)
        return renamed.withColumn("prediction", F.udf(float.__neg__, "double").asNondeterministic()("x"))


def of(plain: Score, tmp_path: Path, stage: Any) -> Ended:
    """A run with `stage` alone."""
    (tmp_path / "in.csv").write_text("id,x\na,1\nA,2\n")
    model = models.saved(PipelineModel([stage]), tmp_path / "model")
    columns = {"id": "id", "prediction": "prediction"}
    return plain(input=tmp_path / "in.csv", model=model, policy={"actions": [], "otherwise": "go", "columns": columns})


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (ThroughRdd, "stage {} of the model makes a new DataFrame"),
        (ThroughDriver, "stage {} of the model makes a new DataFrame"),
        (Checkpoint, "stage {} of the model makes a new DataFrame"),
        (HashOfAll, "stage {} of the model: * and mapInPandas would give a function the job's own columns too"),
    ],
)
def test_a_stage_whose_rows_or_values_cannot_be_followed_is_refused(
    kind: type[Stage], said: str, plain: Score, tmp_path: Path
) -> None:
    stage = kind()
    ended = of(plain, tmp_path, stage)
    assert ended.code == 4, ended.stderr
    assert said.format(stage.uid) in ended.error


def test_a_stage_that_changes_a_key_is_refused(plain: Score, tmp_path: Path) -> None:
    ended = of(plain, tmp_path, UpperKey())
    assert ended.code == 4, ended.stderr
    assert "changes the key column 'id'" in ended.error


def test_a_stage_in_python_that_keeps_all_it_has_to_is_not_refused(plain: Score, tmp_path: Path) -> None:
    ended = of(plain, tmp_path, Harmless())
    assert ended.code == 0, ended.stderr
    assert ended.actions == [{"id": "a", "prediction": "-1.0"}, {"id": "A", "prediction": "-2.0"}]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("x + rand(1)", "rand is not allowed"),
        ("monotonically_increasing_id()", "monotonically_increasing_id is not allowed"),
        ("datediff(current_date, date'2026-01-01')", "current_date is not allowed"),
        ("x / (SELECT max(x) FROM __THIS__)", "a sub-query is not allowed"),
        ("row_number() OVER (ORDER BY floor(x))", "a window is not allowed"),
        ("hash(*)", "* and mapInPandas would give a function the job's own columns too"),
        ("upper(concat(CAST(unhex('FF') AS string), id))", "bytes that are cast to a string may not be UTF-8"),
    ],
)
def test_a_statement_that_does_not_keep_its_values_is_refused_by_name(
    plain: Score, tmp_path: Path, expression: str, said: str
) -> None:
    stage = SQLTransformer(statement=f"SELECT *, {expression} AS prediction FROM __THIS__")
    ended = of(plain, tmp_path, stage)
    assert ended.code == 4, ended.stderr
    assert f"stage {stage.uid} of the model: " in ended.error
    assert said in ended.error


def test_a_statement_of_the_rows_own_columns_is_not_refused(plain: Score, tmp_path: Path) -> None:
    statement = "SELECT t.*, x * 2 AS prediction FROM (SELECT *, -x AS y FROM __THIS__) AS t WHERE y < -1"
    ended = of(plain, tmp_path, SQLTransformer(statement=statement))
    assert ended.code == 3, ended.stderr  # the other row is left out
    assert ended.reasons == {2: "model-dropped"}
