"""Pipelines of every common stage are scored just as `transform` would, and no row they cannot take is lost."""

from pathlib import Path
from typing import Any

import pytest
from pyspark.ml import Estimator, PipelineModel
from pyspark.sql import SparkSession

from tests.support import models
from tests.trust.conftest import Night
from tests.trust.stages import FIELDS, OTHER_ROWS, PIPELINES, SCHEMA, TYPES, training

POLICY = {"actions": [], "otherwise": "keep", "columns": {"ID": "ID", "prediction": "prediction"}}
ROWS = [
    (1, 2.5, 3.0, "a", "cold rain", 1),
    (2, 12.0, 10.0, "b", "snow and more", 2),
    (3, None, 3.0, "a", "rain", 1),
    (4, 2.5, 3.0, "new", "rain", 1),
    (5, 2.5, 3.0, None, "rain", 1),
    (6, 2.5, 3.0, "c", None, 1),
    (7, 7.25, 0.0, "c", "hail", 9),
    (8, 7.25, 0.0, "c", "hail", -1),
]
# the IDs of the rows that each pipeline cannot take, and why; x may be missing where an Imputer fills it
X, OTHER_C, NO_C, NO_T = 3, 4, 5, 6
NO_X = {X: "constraint-error:x"}
OTHER_U = {7: "model-dropped", 8: "model-dropped"}
REJECTS: dict[str, dict[int, str]] = {
    **dict.fromkeys(PIPELINES, NO_X),
    "string-indexer-error": {**NO_X, OTHER_C: "model-dropped", NO_C: "constraint-error:c"},
    "string-indexer-skip": {**NO_X, OTHER_C: "model-dropped", NO_C: "model-dropped"},
    "polynomial": {**NO_X, OTHER_C: "model-dropped", NO_C: "constraint-error:c"},
    "bucketizer": NO_X | OTHER_U,
    "imputer": {},
    "one-vs-rest": {},
    "cross-validated": {},
    "tokenizer-hashing": {NO_T: "constraint-error:t"},
    "r-formula": {**NO_X, OTHER_C: "model-dropped", NO_C: "constraint-error:c"},
    "sql-transformer": {X: "model-dropped"},
    "one-hot-of-a-number": NO_X | OTHER_U,
    "one-hot-in-a-validation": NO_X | OTHER_U,
}


def delivery(folder: Path) -> Path:
    """The rows as a file."""
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in ROWS]
    (folder / "in.csv").write_text("\n".join([",".join(f["name"] for f in FIELDS), *lines, ""]))
    return folder / "in.csv"


# of what these hold Python has objects alone, so that PySpark saves them, unless they were fitted in Java
IN_PYTHON = ("cross-validated", "one-hot-in-a-validation", "one-vs-rest")


@pytest.mark.parametrize(
    ("name", "by_java"), [*((name, False) for name in PIPELINES), *((name, True) for name in IN_PYTHON)]
)
def test_scored_as_transform_would_and_every_row_accounted_for(
    name: str, by_java: bool, spark: SparkSession, nights: Night, tmp_path: Path
) -> None:
    path = str(tmp_path / "model")
    stages, rows = list[Any](), training(spark)
    for stage in PIPELINES[name]():
        stages.append(stage.fit(rows) if isinstance(stage, Estimator) else stage)
        # no stage is made of a prediction, and Spark 4.0 cannot send a classifier to its tasks before it was saved
        rows = rows if stages[-1].hasParam("predictionCol") else stages[-1].transform(rows)
    fitted: Any = PipelineModel(stages)
    (fitted._to_java() if by_java else fitted).write().save(path)
    good = [row for row in ROWS if row[0] not in REJECTS[name]]
    transformed = fitted.transform(spark.createDataFrame(good, TYPES))
    outputs = [column for column in transformed.columns if column.endswith("prediction")]
    policy = {**POLICY, "columns": {"ID": "ID", **{output: f"`{output}`" for output in outputs}}}
    ended = nights(delivery(tmp_path), model=path, schema=SCHEMA, policy=policy)
    assert ended.code == 0, ended.stderr
    assert {int(row["ID"]): row["_reasons"] for row in ended.rejects} == REJECTS[name]
    published = {int(row["ID"]): [float(row[output]) for output in outputs] for row in ended.actions}
    assert published == {row["ID"]: [row[output] for output in outputs] for row in transformed.collect()}
    assert len(ended.actions) == len(good)


@pytest.mark.parametrize("name", OTHER_ROWS)
def test_a_statement_that_makes_other_rows_is_refused(
    name: str, spark: SparkSession, nights: Night, tmp_path: Path
) -> None:
    model = models.sql_model(OTHER_ROWS[name], tmp_path / "model")
    ended = nights(delivery(tmp_path), model=model, schema=SCHEMA, policy=POLICY)
    assert ended.code == 4, ended.stderr
    assert "makes other rows" in ended.error
    assert not list(ended.output.rglob("actions.csv"))


def test_a_row_that_a_where_leaves_out_is_rejected(spark: SparkSession, nights: Night, tmp_path: Path) -> None:
    model = models.sql_model("SELECT *, z AS prediction FROM __THIS__ WHERE u != 9", tmp_path / "model")
    ended = nights(delivery(tmp_path), model=model, schema=SCHEMA, policy=POLICY)
    assert ended.code == 0, ended.stderr
    assert ended.reasons == {8: "model-dropped"}
    assert {row["ID"]: float(row["prediction"]) for row in ended.actions} == {
        str(row[0]): row[2] for row in ROWS if row[5] != 9
    }
