"""What the job is measured against: each a whole program, run as `python -m benchmarks.contenders NAME INPUT OUTPUT [MODEL]`."""

import shutil
import sys
from pathlib import Path
from typing import Any

MODEL = str(Path(__file__).parent.parent / "examples" / "housing" / "model")
FEATURES = ["crim", "zn", "indus"]


def _spark() -> Any:
    from pyspark.sql import SparkSession

    builder: Any = SparkSession.builder
    return (
        builder.master("local[*]").config("spark.ui.enabled", "false").config("spark.driver.memory", "2g").getOrCreate()
    )


def _read(source: str) -> Any:
    with open(min(Path(source).glob("*.csv"))) as file:
        names = file.readline().strip().split(",")
    columns = ", ".join(f"{name} {'string' if name in ('ID', 'name') else 'double'}" for name in names)
    return _spark().read.schema(columns).option("header", True).csv(source)


def _decided(scored: Any) -> Any:
    return scored.selectExpr("ID", "CASE WHEN prediction >= 25 THEN 'call' ELSE 'none' END AS action", "prediction")


def copy(source: str, target: str, _: str) -> None:
    """Spark copies two columns CSV to CSV, with an explicit schema and no model."""
    _read(source).select("ID", "crim").write.mode("overwrite").option("header", True).csv(target)


def script(source: str, target: str, model: str) -> None:
    """The twenty-line script that teams write."""
    from pyspark.ml import PipelineModel

    spark = _spark()
    frame = spark.read.option("header", True).option("inferSchema", True).csv(source)
    decided = _decided(PipelineModel.load(model).transform(frame))
    decided.coalesce(1).write.mode("overwrite").option("header", True).csv(target)


def bare(source: str, target: str, model: str) -> None:
    """`transform` and a write, with an explicit schema and nothing else."""
    from pyspark.ml import PipelineModel

    spark_frame = _read(source)
    scored = PipelineModel.load(model).transform(spark_frame)
    _decided(scored).write.mode("overwrite").option("header", True).csv(target)


def fit_gbt(source: str, target: str, _: str) -> None:
    """Fit and save gradient-boosted trees on the three numbers."""
    from pyspark.ml.feature import VectorAssembler
    from pyspark.ml.regression import GBTRegressor

    _spark()
    trees = GBTRegressor(labelCol="label", maxIter=20, maxDepth=5, seed=7)
    _fit(source, target, [VectorAssembler(inputCols=["crim", "zn", "indus"], outputCol="features"), trees])


def fit_one_hot(source: str, target: str, _: str) -> None:
    """Fit and save a regression on two numbers and a category."""
    _fit_categories(source, target, "keep")


def fit_left_out(source: str, target: str, _: str) -> None:
    """The same, by which the rows of 1% of the categories are left out, as it was not fitted on those."""
    _fit_categories(source, target, "skip", "zn >= 1")


def _fit_categories(source: str, target: str, unseen: str, rows: str = "true") -> None:
    from pyspark.ml.feature import OneHotEncoder, StringIndexer, VectorAssembler
    from pyspark.ml.regression import LinearRegression

    _spark()
    stages = [
        StringIndexer(inputCol="zn_text", outputCol="zn_index", handleInvalid=unseen),
        OneHotEncoder(inputCol="zn_index", outputCol="zn_vector"),
        VectorAssembler(inputCols=["crim", "indus", "zn_vector"], outputCol="features"),
        LinearRegression(labelCol="label", regParam=0.1),
    ]
    _fit(source, target, stages, rows)


def _fit(source: str, target: str, stages: list[Any], rows: str = "true") -> None:
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import SQLTransformer

    text = SQLTransformer(statement="SELECT *, CAST(CAST(zn AS int) AS string) AS zn_text FROM __THIS__")
    frame = _read(source).where(rows).limit(20_000).selectExpr("*", "30 - 0.2 * crim - zn % 7 + 0.05 * indus AS label")
    Pipeline(stages=[text, *stages]).fit(frame).write().overwrite().save(target)


def fit_mlflow(source: str, target: str, _: str) -> None:
    """Fit the regression with scikit-learn and save it as MLflow does."""
    import mlflow.sklearn as saver
    import pandas as pd
    from sklearn.linear_model import LinearRegression

    rows = pd.concat(pd.read_csv(file, usecols=FEATURES) for file in sorted(Path(source).glob("*.csv")))
    label = 30 - 0.2 * rows["crim"] - rows["zn"] % 7 + 0.05 * rows["indus"]
    saver.save_model(LinearRegression().fit(rows[FEATURES], label), target)


def mlflow(source: str, target: str, model: str) -> None:
    """`mlflow.pyfunc.spark_udf` and a write, with an explicit schema and nothing else."""
    from mlflow.pyfunc import spark_udf
    from pyspark.sql import functions as F

    frame = _read(source)
    predict = spark_udf(frame.sparkSession, model, result_type="double", env_manager="local")
    scored = frame.withColumn("prediction", predict(F.struct(*FEATURES)))
    _decided(scored).write.mode("overwrite").option("header", True).csv(target)


def pandas(source: str, target: str, _: str) -> None:
    """pandas in chunks of 500,000 rows, the regression as arithmetic."""
    import pandas as pd

    weights, intercept = _coefficients()
    Path(target).mkdir(parents=True, exist_ok=True)
    with (Path(target) / "actions.csv").open("w") as out:
        for file in sorted(Path(source).glob("*.csv")):
            for chunk in pd.read_csv(file, chunksize=500_000):
                prediction = sum(chunk[name] * weight for name, weight in weights.items()) + intercept
                chunk["prediction"], chunk["action"] = prediction, (prediction >= 25).map({True: "call", False: "none"})
                chunk[["ID", "action", "prediction"]].to_csv(out, index=False, header=out.tell() == 0)


def polars(source: str, target: str, _: str) -> None:
    """polars, streaming, the regression as arithmetic: the floor."""
    import polars as pl

    weights, intercept = _coefficients()
    prediction = sum((pl.col(name) * weight for name, weight in weights.items()), start=pl.lit(intercept))
    action = pl.when(pl.col("prediction") >= 25).then(pl.lit("call")).otherwise(pl.lit("none")).alias("action")
    Path(target).mkdir(parents=True, exist_ok=True)
    frame = pl.scan_csv(f"{source}/*.csv").with_columns(prediction.alias("prediction")).with_columns(action)
    frame.select("ID", "action", "prediction").sink_csv(f"{target}/actions.csv")


def duckdb(source: str, target: str, _: str) -> None:
    """DuckDB, the regression as arithmetic."""
    import duckdb as db

    weights, intercept = _coefficients()
    terms = " + ".join(f"{name} * {weight!r}" for name, weight in weights.items())
    Path(target).mkdir(parents=True, exist_ok=True)
    db.sql(
        f"COPY (SELECT ID, CASE WHEN p >= 25 THEN 'call' ELSE 'none' END AS action, p AS prediction FROM "
        f"(SELECT *, {terms} + {intercept!r} AS p FROM read_csv('{source}/*.csv'))) TO '{target}/actions.csv' (HEADER)"
    )


def _coefficients() -> tuple[dict[str, float], float]:
    """Weights of the same shape as the model's; only the speed of such arithmetic is compared here."""
    return {"crim": -0.2, "zn": 0.06, "indus": -0.37}, 27.4


PROGRAMS = (copy, script, bare, mlflow, pandas, polars, duckdb, fit_gbt, fit_one_hot, fit_left_out, fit_mlflow)

if __name__ == "__main__":
    name, source, target, *model = sys.argv[1:]
    shutil.rmtree(target, ignore_errors=True)
    {f.__name__: f for f in PROGRAMS}[name](source, target, *(model or [MODEL]))
