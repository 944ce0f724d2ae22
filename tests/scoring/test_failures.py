"""What fails on a row is told in one line, with the cure."""

from pathlib import Path
from typing import Any

import pytest
from pyspark.ml import PipelineModel, Transformer
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.contract.agreed import Options
from jobs.errors import ModelMismatchError
from jobs.scoring import failures
from tests.support import models
from tests.support.runs import Score

LONG = "a" * 20_000


class Inverse(Transformer, DefaultParamsReadable[Any], DefaultParamsWritable):
    """A stage of the team's own that cannot take every row."""

    def _transform(self, frame: DataFrame) -> DataFrame:
        return frame.withColumn("prediction", F.udf(lambda x: 1 / x, "double")("x"))


def with_pattern(plain: Score, tmp_path: Path, **more: Any) -> Any:
    """A run over a short and a long id, both of which fit a pattern that repeats alternatives."""
    (tmp_path / "in.csv").write_text(f"id,x\na,1\n{LONG},2\n")
    constraints = {"pattern": "([a-z]|[0-9])+", **more}
    fields = [{"name": "id", "type": "string", "constraints": constraints}, {"name": "x", "type": "number"}]
    return plain(input=tmp_path / "in.csv", schema={"fields": fields, "primaryKey": "id"}, max_rejects=1)


def test_a_pattern_without_enough_stack_is_told_with_the_cure(plain: Score, tmp_path: Path) -> None:
    ended = with_pattern(plain, tmp_path)
    assert ended.code == 2, ended.stderr
    assert "a regular expression needs more stack than there is for so long a cell" in ended.error
    assert str(tmp_path / "schema.json") in ended.error
    assert "see file:" not in ended.error


def test_a_cell_that_is_too_long_does_not_meet_its_pattern(plain: Score, tmp_path: Path) -> None:
    ended = with_pattern(plain, tmp_path, maxLength=100)
    assert ended.code == 0, ended.stderr
    assert ended.reasons == {3: "constraint-error:id"}
    assert [row["id"] for row in ended.actions] == ["a"]


def test_too_little_memory_is_told_with_the_cure(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,x\na,1\n")
    # more than the tests' JVM has in all
    policy = {"actions": [], "otherwise": "go", "columns": {"id": "repeat(id, 1500000000)"}}
    ended = plain(input=tmp_path / "in.csv", policy=policy)
    assert ended.code == 2, ended.stderr
    assert "not enough memory, give more (--spark '--driver-memory" in ended.error
    assert "_staging" not in ended.error


def test_what_a_stage_in_python_raises_is_told(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,x\na,0\n")
    ended = plain(input=tmp_path / "in.csv", model=models.saved(PipelineModel([Inverse()]), tmp_path / "model"))
    assert ended.code == 4, ended.stderr
    assert "a stage of the model failed on a row, keep such rows from it by constraints of the schema" in ended.error
    assert f"ZeroDivisionError: float division by zero; see {tmp_path / 'model'}; nothing was published" in ended.error


def test_a_stage_is_told_from_a_policy_where_what_fails_is_deep_within_it() -> None:
    # as of an LDA given -1e155, which takes all the stack that there is
    said = "org.apache.spark.SparkException: [FAILED_EXECUTE_UDF] User defined function (`LDAModel$$Lambda/0x1`) failed"
    frames = "\tat org.apache.spark.sql.catalyst.expressions.GeneratedClass.processNext(Unknown Source)"
    options = Options("m", ("i",), "s", "p", "o", "2026-11-22", "0", 0, force=False, dry_run=False)
    wanted = r"a stage of the model failed on a row.*: java\.lang\.StackOverflowError;"
    with pytest.raises(ModelMismatchError, match=wanted), failures.explained(options):
        raise RuntimeError(f"{said}\n{frames}\nCaused by: java.lang.StackOverflowError\n\tat breeze.numerics.apply")
