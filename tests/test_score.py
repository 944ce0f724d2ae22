"""The whole way of the worked example: the figures that the seed data gives, and one pass over clean input."""

import random
from pathlib import Path
from typing import Any, Optional

import pytest
from pyspark.sql import SparkSession

from jobs.scoring import aside, splits
from tests.support.runs import HOUSING, Score, table

# from shared/housing/README.md: IDs 1, 2 and 4 of train.csv
SEED = {"1": 27.714445239256854, "2": 24.859566163416336, "4": 26.74953947801712}


def test_the_saved_model_gives_the_seed_figures_to_the_last_digit(score: Score) -> None:
    ended = score(input=HOUSING / "train.csv")
    assert ended.code == 0, ended.stderr
    found = {row["ID"]: float(row["prediction"]) for row in ended.actions}
    assert {key: found[key] for key in SEED} == SEED
    assert sorted(found) == sorted(row["ID"] for row in table(HOUSING / "train.csv"))


def test_one_single_row_gives_the_first_seed_figure(score: Score, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("ID,crim,zn,indus\n1,0.00632,18.0,2.31\n")
    ended = score(input=tmp_path / "one.csv")
    assert [float(row["prediction"]) for row in ended.actions] == [SEED["1"]]


def bytes_read(spark: SparkSession) -> int:
    """What this process's Spark has read from files so far."""
    jvm: Any = spark.sparkContext._jvm
    return sum(found.getBytesRead() for found in jvm.org.apache.hadoop.fs.FileSystem.getAllStatistics())


@pytest.mark.parametrize(
    ("key", "gathered_below", "order", "times"),
    [
        pytest.param(None, 0, "random", 1, id="no-key"),
        pytest.param("string", 1 << 24, "random", 1, id="few-keys"),
        pytest.param("integer", 0, "ascending", 1, id="keys-in-order"),
        pytest.param("integer", 0, "random", 2, id="keys-in-no-order"),
        pytest.param("string", 0, "ascending", 1, id="texts-in-order"),
        pytest.param("string", 0, "random", 2, id="texts-in-no-order"),
    ],
)
def test_input_is_read_once_and_if_need_be_its_keys_apart_and_again_only_for_many_rejects(
    key: Optional[str],
    gathered_below: int,
    order: str,
    times: int,
    spark: SparkSession,
    plain: Score,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(splits, "SMALL_BYTES", gathered_below)
    fields = [{"name": "id", "type": key or "string"}, {"name": "x", "type": "number"}]
    schema: dict[str, Any] = {"fields": fields, **({"primaryKey": "id"} if key else {})}
    chance = random.Random(1)
    numbers = list(range(60_000))
    if order == "random":
        chance.shuffle(numbers)
    clean = "id,x\n" + "".join(f"{n:08d},{chance.random()!r}\n" for n in numbers)
    (tmp_path / "clean.csv").write_text(clean)
    (tmp_path / "dirty.csv").write_text(clean + "bad,row\n")
    start = bytes_read(spark)
    plain(input=tmp_path / "clean.csv", schema=schema, dry_run=True)  # what model and policy cost to read
    before = bytes_read(spark)
    without_rows = before - start
    ended = plain(input=tmp_path / "clean.csv", schema=schema)
    read = bytes_read(spark) - before - without_rows
    assert ended.summary["rows_published"] == 60_000
    # the first key of each task is looked at apart, in what is read at once
    assert times <= read / len(clean) < times + 0.1
    rooms = [(aside.MOST_OF_A_TASK, 0, 0.01), (1, 0.9, 1.1)]  # the second: this measure sees a further pass
    for room, least, most in rooms if order == "random" else rooms[:1]:
        monkeypatch.setattr(aside, "MOST_OF_A_TASK", room)
        before = bytes_read(spark)
        plain(input=tmp_path / "dirty.csv", schema=schema, max_rejects=1, output=tmp_path / f"dirty-{room}")
        further = bytes_read(spark) - before - without_rows - read
        assert least <= further / len(clean) <= most
