"""Projections that stand behind one another give what they give one by one, and Spark is asked for all of them at once."""

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.contract import table_schema
from jobs.handoff import inputs
from jobs.scoring import read, shapes, validate
from jobs.scoring.calls import java_class
from jobs.scoring.chain import Chain
from tests.support.runs import Score

MAKE_A_FRAME = ("text", "select", "selectExpr", "withColumn", "withColumns", "drop", "filter", "where", "ofRows")


def test_columns_are_added_replaced_and_left_out_in_the_order_that_they_are_named(spark: SparkSession) -> None:
    rows = spark.createDataFrame([(1, "a"), (2, "b")], "id long, `a b` string")
    chain = Chain(rows).also({"twice": "id * 2", "c`d": F.col("id") + 10}).also({"id": "twice + `c``d`"})
    assert chain.columns == ["a b", "twice", "c`d", "id"]
    wanted = chain.only(["id"], {"text": "concat(`a b`, '!')", "c`d": "`c``d`"}).without(["twice"]).frame()
    assert wanted.columns == ["id", "text", "c`d"]
    assert sorted(tuple(row) for row in wanted.collect()) == [(13, "a!", 11), (16, "b!", 12)]
    assert rows.columns == ["id", "a b"]


def test_nothing_is_analysed_until_the_frame_is_asked_for(spark: SparkSession) -> None:
    chain = Chain(spark.range(1)).also({"x": "no_such_column + 1"}).also({"y": "x + 1"})
    with pytest.raises(Exception, match="no_such_column"):
        chain.frame()


@pytest.fixture
def asked(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the JVM is asked from now on, each question in its lines."""
    gateway: Any = spark.sparkContext._gateway
    client, questions = type(gateway._gateway_client), list[list[str]]()
    send = client.send_command

    def noted(own: Any, command: str, *given: Any, **more: Any) -> Any:
        questions.append(command.split("\n"))
        return send(own, command, *given, **more)

    monkeypatch.setattr(client, "send_command", noted)
    return questions


def test_few_frames_are_made_until_records_can_be_counted(
    spark: SparkSession, tmp_path: Path, asked: list[list[str]]
) -> None:
    schema = table_schema.parse('{"fields": [{"name": "x", "type": "number"}, {"name": "y", "type": "integer"}]}', "s")
    (tmp_path / "in.csv").write_text("x,y\n1.5,2\n")
    found = inputs.find((str(tmp_path),))
    source = read.source(spark, found.layouts(schema), [], schema, size=found.size)
    rows = read.rows(spark, source, schema, keep=(shapes.LINE,))
    judged = validate.judged(rows, schema, frozenset(), keep=(shapes.LINE,), parted=True)
    made = [question[2] for question in asked if question[0] == "c" and question[2] in MAKE_A_FRAME]
    # the file, its lines, their cells, and the looks at them
    assert made == ["text", "selectExpr", "ofRows", "ofRows"]
    assert [tuple(row) for row in judged.where(validate.VALID).select("x", "y").collect()] == [(1.5, 2)]


def test_the_jvm_is_asked_for_a_method_once(spark: SparkSession, asked: list[list[str]]) -> None:
    for _ in range(2):
        asked.clear()
        java_class(spark, "java.lang.Thread").currentThread()
    assert [question[0] for question in asked if question[0] != "m"] == ["c"]


def test_a_night_asks_neither_for_org_nor_of_what_kind_an_exception_is(
    plain: Score, tmp_path: Path, asked: list[list[str]]
) -> None:
    (tmp_path / "in.csv").write_text("id,x\na,1\nb,bad\n")
    ended = plain(input=tmp_path / "in.csv", max_rejects=1)
    assert (ended.code, len(ended.rejects)) == (0, 1), ended.stderr
    # as PySpark does by the first part of a class's name, and by py4j's own for an exception
    assert [question[2] for question in asked if question[:2] == ["r", "u"] and question[2] in ("org", "py4j")] == []
