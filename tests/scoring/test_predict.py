"""What the model returns is what is published; what it cannot score is rejected, never lost."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.ml import PipelineModel
from pyspark.ml.classification import DecisionTreeClassifier, LogisticRegression
from pyspark.ml.feature import (
    Bucketizer,
    Imputer,
    IndexToString,
    OneHotEncoder,
    RFormula,
    SQLTransformer,
    StringIndexer,
    VectorAssembler,
)
from pyspark.ml.recommendation import ALS
from pyspark.ml.regression import DecisionTreeRegressor
from pyspark.sql import SparkSession

from tests.support import models
from tests.support.runs import Score

# of rows without the label, and the last of a category that was not there
LABELLED: dict[str, Callable[[], list[Any]]] = {
    "indexer": lambda: [
        StringIndexer(inputCol="label", outputCol="y"),
        StringIndexer(inputCol="c", outputCol="ci"),
        VectorAssembler(inputCols=["x", "ci"], outputCol="features"),
        DecisionTreeClassifier(labelCol="y", maxDepth=2, probabilityCol="how.likely"),
    ],
    "indexer-of-several": lambda: [
        StringIndexer(inputCols=["label", "c"], outputCols=["y", "ci"]),
        VectorAssembler(inputCols=["x", "ci"], outputCol="features"),
        DecisionTreeClassifier(labelCol="y", maxDepth=2, probabilityCol="how.likely"),
    ],
    "formula": lambda: [
        RFormula(formula="label ~ x + c", labelCol="y"),
        DecisionTreeClassifier(labelCol="y", maxDepth=2, probabilityCol="how.likely"),
    ],
}


@pytest.mark.parametrize("name", LABELLED)
def test_a_pipeline_that_has_indexed_its_label_scores_rows_without_one(
    name: str, spark: SparkSession, plain: Score, tmp_path: Path
) -> None:
    labelled = [(float(n), "abc"[n % 3], "yn"[n % 3 == 1 or n > 20]) for n in range(30)]
    fitted = models.fitted(models.rows(spark, "x double, c string, label string", *labelled), *LABELLED[name]())
    path = models.saved(fitted, tmp_path / "model")
    (tmp_path / "in.csv").write_text("id,x,c\n0,1,a\n1,2,b\n2,25,c\n3,4,d\n")
    fields = [{"name": "id", "type": "integer"}, {"name": "x", "type": "number"}, {"name": "c", "type": "string"}]
    columns = {"id": "id", "prediction": "prediction", "likely": "`how.likely`[1]"}
    policy = {"actions": [], "otherwise": "keep", "columns": columns}
    ended = plain(input=tmp_path / "in.csv", model=path, schema={"fields": fields}, policy=policy, max_rejects=1)
    assert ended.code == 0, ended.stderr
    assert ended.reasons == {5: "model-dropped"}
    good = models.rows(spark, "id int, x double, c string", (0, 1.0, "a"), (1, 2.0, "b"), (2, 25.0, "c"))
    transformed = PipelineModel.load(f"file://{path}").transform(good).collect()
    expected = [(str(row.id), row.prediction, row["how.likely"][1]) for row in transformed]
    assert [(row["id"], float(row["prediction"]), float(row["likely"])) for row in ended.actions] == expected
    assert len({prediction for _, prediction, _ in expected}) == 2


def test_predictions_equal_those_of_transform_bit_for_bit(
    spark: SparkSession, score: Score, housing_model: Path, tmp_path: Path
) -> None:
    chance = random.Random(3)
    drawn = [(n, chance.lognormvariate(0, 3), chance.uniform(0, 100), chance.gauss(10, 20)) for n in range(3000)]
    (tmp_path / "in.csv").write_text("ID,crim,zn,indus\n" + "".join(f"{n},{c!r},{z!r},{i!r}\n" for n, c, z, i in drawn))
    frame = spark.createDataFrame(drawn, "ID bigint, crim double, zn double, indus double")
    rows = PipelineModel.load(f"file://{housing_model}").transform(frame).select("ID", "prediction").collect()
    ended = score(input=tmp_path / "in.csv")
    assert {int(row["ID"]): float(row["prediction"]) for row in ended.actions} == {row[0]: row[1] for row in rows}
    assert len(ended.actions) == 3000


def test_a_model_in_a_folder_whose_name_is_a_glob_is_not_taken_for_another(
    spark: SparkSession, plain: Score, tmp_path: Path
) -> None:
    for name, value in (("price[1],{a,b}*?", 1), ("price1,a", 2), ("price1,b", 3), ("price1,a--", 4)):
        models.sql_model(f"SELECT *, {value}D AS prediction FROM __THIS__", tmp_path / name)
    (tmp_path / "in.csv").write_text("id,x\na,1\n")
    policy = {"actions": [], "otherwise": "keep", "columns": {"prediction": "prediction"}}
    ended = plain(input=tmp_path / "in.csv", model=tmp_path / "price[1],{a,b}*?", policy=policy)
    assert ended.code == 0, ended.stderr
    assert [row["prediction"] for row in ended.actions] == ["1.0"]


@pytest.fixture(scope="module")
def classifier(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Says `stay` or `leave` from a plan's name and an amount; knows the plans `free` and `paid`."""
    data = models.rows(
        spark,
        "plan string, x double, y string",
        *[
            ("free", 1.0, "leave"),
            ("free", 2.0, "leave"),
            ("paid", 8.0, "stay"),
            ("paid", 1.5, "stay"),
            ("free", 9.0, "stay"),
        ],
    )
    label = StringIndexer(inputCol="y", outputCol="label", stringOrderType="alphabetAsc").fit(data)
    model = models.fitted(
        label.transform(data),
        StringIndexer(inputCol="plan", outputCol="plan_index"),
        VectorAssembler(inputCols=["plan_index", "x"], outputCol="features"),
        LogisticRegression(regParam=0.1),
        IndexToString(inputCol="prediction", outputCol="answer", labels=label.labels),
    )
    return models.saved(model, tmp_path_factory.mktemp("models") / "classifier")


SCHEMA = {
    "fields": [{"name": "id", "type": "integer"}, {"name": "plan", "type": "string"}, {"name": "x", "type": "number"}],
    "primaryKey": "id",
}


def test_a_classifiers_probability_and_label_reach_the_policy_and_unknown_labels_are_rejected(
    spark: SparkSession, score: Score, classifier: Path, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text("id,plan,x\n1,free,1\n2,paid,8\n3,gold,5\n4,free,3\n")
    policy = {
        "actions": [{"action": "thank", "when": "answer = 'stay'"}],
        "otherwise": "call",
        "columns": {"id": "id", "p": "probability[1]", "answer": "answer", "action": "action"},
    }
    ended = score(input=tmp_path / "in.csv", model=classifier, schema=SCHEMA, policy=policy, max_rejects=1)
    assert ended.code == 0, ended.stderr
    assert ended.reasons == {4: "model-dropped"}
    assert "] 1 row rejected\n" in ended.stderr
    frame = models.rows(spark, "id int, plan string, x double", (1, "free", 1.0), (2, "paid", 8.0), (4, "free", 3.0))
    scored = PipelineModel.load(f"file://{classifier}").transform(frame).collect()
    expected = {str(row.id): (row.probability[1], row.answer) for row in scored}
    assert {row["id"]: (float(row["p"]), row["answer"]) for row in ended.actions} == expected
    assert {row["id"]: row["action"] for row in ended.actions} == {
        key: "thank" if answer == "stay" else "call" for key, (_, answer) in expected.items()
    }
    assert {answer for _, answer in expected.values()} == {"stay", "leave"}


def test_rows_that_a_skipping_pipeline_drops_are_rejected_and_the_stage_is_named(
    spark: SparkSession, score: Score, tmp_path: Path
) -> None:
    data = models.rows(spark, "a double, b double", (1.0, 2.0), (3.0, 4.0))
    model = models.fitted(
        data,
        Imputer(inputCols=["b"], outputCols=["b2"]),
        VectorAssembler(inputCols=["a", "b2"], outputCol="features", handleInvalid="skip"),
    )
    path = models.saved(model, tmp_path / "model")
    schema = {"fields": [{"name": name, "type": "number"} for name in ("a", "b")]}
    policy = {"actions": [], "otherwise": "go", "columns": {"a": "a", "b": "features[1]"}}
    (tmp_path / "in.csv").write_text("a,b\n1,2\n,3\n4,\n")
    ended = score(input=tmp_path / "in.csv", model=path, schema=schema, policy=policy, max_rejects=1)
    assert ended.code == 0, ended.stderr
    assert ended.reasons == {3: "model-dropped"}
    assert ended.actions == [{"a": "1.0", "b": "2.0"}, {"a": "4.0", "b": "3.0"}]  # the mean of 2 and 4
    assert any("VectorAssembler(a, b2) handleInvalid=skip" in note for note in ended.package["notes"])


def test_a_null_that_passes_through_stages_to_one_that_keeps_it_is_scored(
    plain: Score, spark: SparkSession, tmp_path: Path
) -> None:
    data = spark.range(0, 12, 1, 1).selectExpr("id % 3 AS kind", "id * 0.5D AS label")
    model = models.fitted(
        data,
        OneHotEncoder(inputCol="kind", outputCol="encoded", handleInvalid="keep"),
        VectorAssembler(inputCols=["encoded"], outputCol="features", handleInvalid="keep"),
        DecisionTreeRegressor(maxDepth=2),
    )
    path = models.saved(model, tmp_path / "model")
    schema = {"fields": [{"name": "id", "type": "string"}, {"name": "kind", "type": "integer"}], "primaryKey": "id"}
    (tmp_path / "in.csv").write_text("id,kind\na,1\nmissing,\n")
    policy = {"actions": [], "otherwise": "go", "columns": {"id": "id", "p": "prediction", "first": "encoded[0]"}}
    ended = plain(input=tmp_path / "in.csv", model=path, schema=schema, policy=policy)
    assert ended.code == 0, ended.stderr
    frame = models.rows(spark, "id string, kind bigint", ("a", 1), ("missing", None))
    wanted = {row["id"]: row["prediction"] for row in PipelineModel.load(f"file://{path}").transform(frame).collect()}
    assert {row["id"]: float(row["p"]) for row in ended.actions} == wanted
    assert {row["id"]: row["first"] for row in ended.actions} == {"a": "0.0", "missing": ""}


def test_a_number_in_no_bucket_is_rejected_and_no_other(plain: Score, spark: SparkSession, tmp_path: Path) -> None:
    # keep is for missing numbers alone
    root = SQLTransformer(statement="SELECT *, sqrt(x) AS root FROM __THIS__")
    buckets = Bucketizer(inputCol="root", outputCol="prediction", splits=[0.0, 2.0, 3.0], handleInvalid="keep")
    path = models.saved(PipelineModel([root, buckets]), tmp_path / "model")
    drawn = {"zero": 0.0, "small": 4.9e-324, "two": 4.0, "three": 9.0, "nan": -1.0}
    out = {"negative-zero": -0.0, "above": 9.000000000000002, "far": 1e300}
    (tmp_path / "in.csv").write_text("id,x\n" + "".join(f"{key},{x!r}\n" for key, x in {**drawn, **out}.items()))
    policy = {"actions": [], "otherwise": "go", "columns": {"id": "id", "prediction": "prediction"}}
    ended = plain(input=tmp_path / "in.csv", model=path, policy=policy, max_rejects=3)
    assert ended.code == 0, ended.stderr
    assert ended.reasons == dict.fromkeys((7, 8, 9), "model-dropped")
    frame = models.rows(spark, "id string, x double", *drawn.items())
    wanted = {row["id"]: row["prediction"] for row in PipelineModel.load(f"file://{path}").transform(frame).collect()}
    assert {row["id"]: float(row["prediction"]) for row in ended.actions} == wanted
    assert wanted == {"zero": 0, "small": 0, "two": 1, "three": 1, "nan": 2}


def test_a_user_that_is_no_number_of_32_bits_is_rejected_and_no_other(
    plain: Score, spark: SparkSession, tmp_path: Path
) -> None:
    data = spark.range(0, 12, 1, 1).selectExpr("id % 4 AS user", "int(id % 3) AS item", "id * 0.5D AS rating")
    als = ALS(userCol="user", itemCol="item", ratingCol="rating", rank=2, maxIter=1)
    path = models.saved(models.fitted(data, als), tmp_path / "model")
    # of so many columns that planning the two joins took for ever
    spare = [f"spare{n}" for n in range(7)]
    kinds = {"id": "string", "user": "number", "item": "integer", **dict.fromkeys(spare, "integer")}
    schema = {"fields": [{"name": name, "type": kind} for name, kind in kinds.items()], "primaryKey": "id"}
    rows = ["a,2,1", "unknown,9,1", "above,2147483648,1", "half,1.5,1", "far,1,9223372036854775807", "b,-0.0,2"]
    (tmp_path / "in.csv").write_text("\n".join([",".join(kinds), *(f"{row}{',1' * 7}" for row in rows), ""]))
    policy = {"actions": [], "otherwise": "go", "columns": {"id": "id", "prediction": "prediction"}}
    ended = plain(input=tmp_path / "in.csv", model=path, schema=schema, policy=policy, max_rejects=4)
    assert ended.code == 0, ended.stderr
    assert ended.reasons == {3: "model-output:prediction", **dict.fromkeys((4, 5, 6), "model-dropped")}
    frame = models.rows(spark, "id string, user double, item bigint", ("a", 2.0, 1), ("b", -0.0, 2))
    wanted = {row["id"]: row["prediction"] for row in PipelineModel.load(f"file://{path}").transform(frame).collect()}
    assert {row["id"]: np.float32(row["prediction"]) for row in ended.actions} == wanted
    assert len(wanted) == 2


def test_null_nan_and_infinite_outputs_are_rejected(plain: Score, spark: SparkSession, tmp_path: Path) -> None:
    statement = (
        "SELECT *, CASE WHEN x = 0 THEN NULL ELSE sqrt(x) * 1e300 * x END AS prediction FROM __THIS__ WHERE x != 5"
    )
    model = models.sql_model(statement, tmp_path / "model")
    (tmp_path / "in.csv").write_text("id,x\na,1\nzero,0\nnan,-1\ninf,1e300\ngone,5\nb,4\n")
    ended = plain(input=tmp_path / "in.csv", model=model, max_rejects=4)
    assert ended.code == 0, ended.stderr
    broken = "model-output:prediction"
    assert ended.reasons == {3: broken, 4: broken, 5: broken, 6: "model-dropped"}
    assert sorted(row["id"] for row in ended.actions) == ["a", "b"]


def test_a_model_that_is_damaged_does_not_fit(plain: Score, housing_model: Path, score: Score, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(housing_model, tmp_path / "model")
    (tmp_path / "in.csv").write_text("ID,crim,zn,indus\n1,1,1,1\n")
    (part,) = (tmp_path / "model").glob("stages/1_*/data/*.parquet")
    (part.parent / f".{part.name}.crc").unlink()
    for damage, said in (
        (lambda: part.write_text("cut off"), f"{part.name} is not a Parquet file"),
        (part.unlink, "Unable to infer schema for Parquet"),
    ):
        damage()
        ended = score(input=tmp_path / "in.csv", model=tmp_path / "model")
        assert ended.code == 4
        assert "cannot be loaded" in ended.error
        assert said in ended.error
        assert not ended.left_behind


def test_a_prediction_in_front_of_the_columns_is_held_to_account(plain: Score, tmp_path: Path) -> None:
    model = models.sql_model("SELECT sqrt(x) AS prediction, * FROM __THIS__", tmp_path / "model")
    (tmp_path / "in.csv").write_text("id,x\na,4\nb,-3\n")
    ended = plain(input=tmp_path / "in.csv", model=model, max_rejects=1)
    assert ended.code == 0, ended.stderr
    assert ended.reasons == {3: "model-output:prediction"}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT *, x AS prediction FROM __THIS__ WHERE 1 = 0",
        "SELECT *, CAST(NULL AS double) AS prediction FROM __THIS__",
    ],
)
def test_a_model_from_which_no_row_comes_rejects_all(plain: Score, tmp_path: Path, statement: str) -> None:
    (tmp_path / "in.csv").write_text("id,x\na,4\nb,-3\n")
    model = models.sql_model(statement, tmp_path / "model")
    ended = plain(input=tmp_path / "in.csv", model=model, max_rejects=2)
    assert ended.code == 0, ended.stderr
    assert sorted(ended.reasons) == [2, 3]


def test_a_model_that_hides_the_rows_columns_does_not_fit(plain: Score, spark: SparkSession, tmp_path: Path) -> None:
    model = models.sql_model("SELECT x AS prediction FROM __THIS__", tmp_path / "model")
    (tmp_path / "in.csv").write_text("id,x\na,1\n")
    ended = plain(input=tmp_path / "in.csv", model=model)
    assert ended.code == 4
    assert "drops column 'id'" in ended.error
    model = models.sql_model("SELECT id, x, x AS prediction FROM __THIS__", tmp_path / "listed")
    ended = plain(input=tmp_path / "in.csv", model=model)
    assert ended.code == 4
    assert "drops the job's own columns" in ended.error
    assert "must SELECT *, and may add to it" in ended.error
