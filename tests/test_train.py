"""The worked example: what `train` keeps beside the model, and what it refuses."""

import json
import statistics
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs import train
from jobs.errors import InputRefusedError, UsageError
from jobs.scoring import session
from tests.support.runs import HOUSING, REPO, SCHEMA, SPARK, Score, table

TEXTS = """{"fields": [{"name": "crim", "type": "number"}, {"name": "name", "type": "string"}, {"name": "day", "type": "date"}]}"""


def test_the_baseline_says_what_the_training_data_looked_like(housing_model: Path) -> None:
    kept = json.loads(housing_model.with_name("housing.baseline.json").read_text())
    rows = table(HOUSING / "train.csv")
    assert kept["rows"] == len(rows) == 333
    assert set(kept["columns"]) == {"crim", "zn", "indus", "prediction"}
    for column in ("crim", "zn", "indus"):
        values = [float(row[column]) for row in rows]
        quantiles = kept["columns"][column]["quantiles"]
        assert (quantiles["0.0"], quantiles["1.0"]) == (min(values), max(values))
        assert quantiles["0.5"] == statistics.median_low(values)
        assert kept["columns"][column]["null_rate"] == 0.0


@pytest.mark.skipif(SPARK != "3.5", reason="the committed example was saved by Spark 3.5, which 4.0 rightly refuses")
def test_the_committed_example_is_the_model_that_train_makes(score: Score, housing_model: Path) -> None:
    fresh = score(input=HOUSING / "test.csv")
    kept = score(
        input=HOUSING / "test.csv", model=REPO / "examples" / "housing" / "model", output=score.folder / "kept"
    )
    assert kept.actions == fresh.actions
    assert len(kept.actions) == 173


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"features": "crim,rooms"}, UsageError, "'rooms' is not in the schema"),
        ({"features": "crim,name", "schema": TEXTS}, UsageError, "--features: 'name' is a string in the schema; a"),
        ({"features": "crim,day", "schema": TEXTS}, UsageError, "'day' is a date"),
        ({"label": "name", "features": "crim", "schema": TEXTS}, UsageError, "--label: 'name' is a string"),
        ({"model": "."}, UsageError, "there is something already"),
        ({"label": "price"}, InputRefusedError, "no column 'price'"),
        ({"input": "nowhere.csv"}, UsageError, "no such input"),
    ],
)
def test_what_does_not_fit_is_refused_before_spark_starts(
    tmp_path: Path, options: dict[str, str], kind: type[Exception], said: str
) -> None:
    given = {
        "input": str(HOUSING / "train.csv"), "schema": str(SCHEMA), "label": "medv", "features": "crim,zn,indus",
        "model": str(tmp_path / "model"), **options,
    }  # fmt: skip
    if given["schema"] == TEXTS:
        (tmp_path / "schema.json").write_text(TEXTS)
        given["schema"] = str(tmp_path / "schema.json")
    with pytest.raises(kind, match=said):
        train.train(**given)
    assert not (tmp_path / "model").exists()


@pytest.mark.usefixtures("spark")
def test_of_a_model_that_could_not_be_finished_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        assert (tmp_path / "m" / "stages").exists()
        raise OSError("No space left on device")

    given = {"input": str(HOUSING / "train.csv"), "schema": str(SCHEMA), "label": "medv", "features": "crim"}
    with monkeypatch.context() as patched:
        patched.setattr(train, "baseline", full)
        with pytest.raises(OSError, match="No space left"):
            train.train(**given, model=str(tmp_path / "m"))
    assert not list(tmp_path.iterdir())
    assert train.train(**given, model=str(tmp_path / "m"))["rows"] == 333


@pytest.mark.usefixtures("spark")
def test_what_another_has_trained_meanwhile_is_not_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, start = tmp_path / "m", session.start

    def meanwhile(**given: Any) -> SparkSession:
        model.mkdir()
        model.with_name("m.baseline.json").write_text("{}")
        return start(**given)

    monkeypatch.setattr(session, "start", meanwhile)
    given = {"input": str(HOUSING / "train.csv"), "schema": str(SCHEMA), "label": "medv", "features": "crim"}
    with pytest.raises(UsageError, match=r"there is a .*m\.baseline\.json already"):
        train.train(**given, model=str(model))
    assert model.exists()
    assert model.with_name("m.baseline.json").read_text() == "{}"


@pytest.mark.usefixtures("spark")
def test_training_data_without_a_single_label_is_refused_with_what_a_row_needs(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("ID,crim,zn,indus,medv\n1,0.1,2,3,\n2,0.2,2,3,\n")
    with pytest.raises(
        InputRefusedError, match=r"in\.csv: no row fits the schema, with all features and the label there"
    ):
        train.train(
            input=str(tmp_path / "in.csv"), schema=str(SCHEMA), label="medv", features="crim", model=str(tmp_path / "m")
        )
    assert not (tmp_path / "m").exists()
