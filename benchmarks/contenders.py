"""What the job is measured against: each a whole program, run as `python -m benchmarks.contenders NAME INPUT OUTPUT`."""

import shutil
import sys
from pathlib import Path
from typing import Any

MODEL = str(Path(__file__).parent.parent / "examples" / "housing" / "model")


def _spark() -> Any:
    from pyspark.sql import SparkSession

    builder: Any = SparkSession.builder
    return (
        builder.master("local[*]").config("spark.ui.enabled", "false").config("spark.driver.memory", "2g").getOrCreate()
    )


def copy(source: str, target: str) -> None:
    """Spark copies two columns CSV to CSV, with an explicit schema and no model."""
    frame = (
        _spark()
        .read.schema("ID string, crim double, zn double, indus double, name string")
        .option("header", True)
        .csv(source)
    )
    frame.select("ID", "crim").write.mode("overwrite").option("header", True).csv(target)


def script(source: str, target: str) -> None:
    """The twenty-line script that teams write."""
    from pyspark.ml import PipelineModel

    spark = _spark()
    frame = spark.read.option("header", True).option("inferSchema", True).csv(source)
    scored = PipelineModel.load(MODEL).transform(frame)
    decided = scored.selectExpr("ID", "CASE WHEN prediction >= 25 THEN 'call' ELSE 'none' END AS action", "prediction")
    decided.coalesce(1).write.mode("overwrite").option("header", True).csv(target)


def pandas(source: str, target: str) -> None:
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


def polars(source: str, target: str) -> None:
    """polars, streaming, the regression as arithmetic: the floor."""
    import polars as pl

    weights, intercept = _coefficients()
    prediction = sum((pl.col(name) * weight for name, weight in weights.items()), start=pl.lit(intercept))
    action = pl.when(pl.col("prediction") >= 25).then(pl.lit("call")).otherwise(pl.lit("none")).alias("action")
    Path(target).mkdir(parents=True, exist_ok=True)
    frame = pl.scan_csv(f"{source}/*.csv").with_columns(prediction.alias("prediction")).with_columns(action)
    frame.select("ID", "action", "prediction").sink_csv(f"{target}/actions.csv")


def duckdb(source: str, target: str) -> None:
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


if __name__ == "__main__":
    name, source, target = sys.argv[1:]
    shutil.rmtree(target, ignore_errors=True)
    {f.__name__: f for f in (copy, script, pandas, polars, duckdb)}[name](source, target)
