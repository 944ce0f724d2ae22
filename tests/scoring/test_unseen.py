"""Categories the model was not fitted on are counted by column, the most frequent ones by name."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pyspark.ml.feature import OneHotEncoder, SQLTransformer, StringIndexer, VectorAssembler
from pyspark.sql import SparkSession

from tests.support import models
from tests.support.runs import Ended, Score

SCHEMA = {
    "fields": [
        {"name": "id", "type": "integer"},
        {"name": "plan", "type": "string"},
        {"name": "city", "type": "string"},
        {"name": "code", "type": "integer"},
    ],
    "primaryKey": "id",
}
POLICY = {"actions": [], "otherwise": "go", "columns": {"id": "id", "features": "size(features)"}}
# 11 further cities, the n-th on n rows: one more than are named
CITIES = [f"town {n:02}" for n in range(1, 12) for _ in range(n)]
ROWS = [
    *[("free", city, 0) for city in CITIES],
    *[("gold", "Bonn", 0)] * 3,
    *[("", "Bonn", 0), ("free", "Bonn", 7), ("paid", "Rome", 1), ("gold", "Pisa", 9)],
]


def scored(
    spark: SparkSession,
    score: Score,
    folder: Path,
    handle: str,
    rows: list[tuple[str, str, int]],
    repeated: bool = False,
) -> Ended:
    """A run of a pipeline that knows the plans free and paid, the cities Bonn and Rome and the codes 0, 1 and 2.

    With `repeated` the first row comes again at the end, with its key.
    """
    data = models.rows(
        spark, "plan string, city string, code int", ("free", "Bonn", 0), ("paid", "Rome", 1), ("paid", "Rome", 2)
    )
    indexed = ["plan_index", "city_index"]
    model = models.fitted(
        data,
        StringIndexer(inputCols=["plan", "city"], outputCols=indexed, handleInvalid=handle),
        OneHotEncoder(inputCol="code", outputCol="code_vector", dropLast=False, handleInvalid=handle),
        VectorAssembler(inputCols=[*indexed, "code_vector"], outputCol="features"),
    )
    lines = [f"{n},{plan},{city},{code}\n" for n, (plan, city, code) in enumerate(rows)]
    (folder / "in.csv").write_text("id,plan,city,code\n" + "".join(lines + lines[:1] * repeated))
    path = models.saved(model, folder / "model")
    return score(
        input=folder / "in.csv", model=path, schema=SCHEMA, policy=POLICY, max_rejects="100%", run_date="2026-11-22"
    )


def expected() -> dict[str, Any]:
    """What Python's counter makes of `ROWS`."""
    named = Counter(city for _, city, _ in ROWS if city not in ("Bonn", "Rome"))
    largest = sorted(named.items(), key=lambda item: (-item[1], item[0]))[:10]
    return {
        "city": {"rows": sum(named.values()), "most_frequent": dict(largest)},
        "code": {"rows": 2, "most_frequent": {"7": 1, "9": 1}},
        "plan": {"rows": 4, "most_frequent": {"gold": 4}},
    }


@pytest.mark.parametrize("handle", ["error", "keep"])
def test_unseen_categories_are_counted_whether_their_rows_are_rejected_or_kept(
    handle: str, spark: SparkSession, score: Score, tmp_path: Path
) -> None:
    ended = scored(spark, score, tmp_path, handle, ROWS)
    assert ended.code == 0, ended.stderr
    wanted = expected()
    assert ended.summary["unseen_categories"] == wanted
    assert ended.package["counts"]["unseen_categories"] == wanted
    assert next(iter(ended.package["counts"]["unseen_categories"]["city"]["most_frequent"])) == "town 11"
    if handle == "error":
        assert {row["_reasons"] for row in ended.rejects} == {"model-dropped", "constraint-error:plan"}
    else:  # the missing plan is a category of its own, and nothing unseen
        assert not ended.rejects
        assert len(ended.actions) == len(ROWS)


def test_a_row_of_an_unseen_category_is_rejected_only_for_what_the_model_made_of_it(
    spark: SparkSession, score: Score, tmp_path: Path
) -> None:
    known = models.rows(spark, "plan string, city string", ("free", "Bonn"), ("paid", "Rome"))
    unusable = "SELECT *, CASE WHEN city != 'Rome' THEN plan_index END AS prediction FROM __THIS__"
    index = StringIndexer(inputCol="plan", outputCol="plan_index", handleInvalid="keep")
    model = models.saved(models.fitted(known, index, SQLTransformer(statement=unusable)), tmp_path / "model")
    lines = ["id,plan,city,code", "1,free,Bonn,", "2,gold,Bonn,", "3,gold,Rome,", "4,free,Rome,", ""]
    (tmp_path / "in.csv").write_text("\n".join(lines))
    policy = {**POLICY, "columns": {"id": "id"}}
    ended = score(input=tmp_path / "in.csv", model=model, schema=SCHEMA, policy=policy, max_rejects="100%")
    assert ended.code == 0, ended.stderr
    assert ended.reasons == dict.fromkeys([4, 5], "model-output:prediction")
    assert [row["id"] for row in ended.actions] == ["1", "2"]
    assert ended.summary["unseen_categories"] == {"plan": {"rows": 2, "most_frequent": {"gold": 2}}}


def test_without_unseen_categories_nothing_is_said_of_them(spark: SparkSession, score: Score, tmp_path: Path) -> None:
    rows = [("free", "Bonn", 0), ("paid", "Rome", 2), ("", "Rome", 1)]
    ended = scored(spark, score, tmp_path, "error", rows, repeated=True)
    assert ended.code == 0, ended.stderr
    assert len(ended.actions) == 2
    assert {row["_reasons"] for row in ended.rejects} == {"constraint-error:plan", "unique-error:id"}
    assert "unseen_categories" not in ended.summary
