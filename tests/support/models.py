"""Small pipelines for the tests, saved where `score` finds them."""

from pathlib import Path
from typing import Any

from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.feature import SQLTransformer
from pyspark.sql import DataFrame, SparkSession


def saved(model: PipelineModel, path: Path) -> Path:
    """`model`, saved at `path`."""
    model.write().overwrite().save(f"file://{path}")
    return path


def sql_model(statement: str, path: Path) -> Path:
    """A pipeline of one SQL statement, as `SELECT *, x AS prediction FROM __THIS__`: loads fast, does anything."""
    return saved(PipelineModel([SQLTransformer(statement=statement)]), path)


def fitted(data: DataFrame, *stages: Any) -> PipelineModel:
    """The pipeline of `stages`, fitted on `data`."""
    return Pipeline(stages=list(stages)).fit(data)


def rows(spark: SparkSession, columns: str, *values: tuple[Any, ...]) -> DataFrame:
    """A small frame with `columns` as DDL."""
    return spark.createDataFrame(list(values), columns)
