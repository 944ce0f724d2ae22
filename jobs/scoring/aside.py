"""Lines that are no valid rows, set aside by the tasks of the one pass: as long as they are few, none is read a second time."""

from typing import Any, Optional

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.scoring import read, shapes, splits, validate
from jobs.scoring.calls import calls_of
from jobs.scoring.chain import Chain

# it is read as a task's heartbeat is sent, in the midst of being filled: a StringBuilder would not bear that
TEXT, LIST = "java.lang.StringBuffer", "java.util.ArrayList"
ASIDE = "_na_aside"
# characters that a task sets aside, and all of them: the driver holds them until the last is there
MOST_OF_A_TASK, MOST_IN_ALL = 1 << 23, 1 << 26
# characters that are worth a task when they are looked at
TO_A_TASK = 1 << 20


def watched(records: DataFrame) -> DataFrame:
    """`records` with what is to be set aside as `ASIDE` where they are not valid, else null, instead of their `shapes.LINE`."""
    numbered = Chain(records).also({read.ROW_ID: read.NUMBERING})
    put_by = f"CASE WHEN NOT {validate.VALID} THEN concat({read.ROW_ID}, ',', {shapes.LINE}, '\\n') END"
    return numbered.also({ASIDE: put_by}).without([shapes.LINE, read.ROW_ID]).frame()


def most(source: read.Source) -> int:
    """How many characters of `source` each task sets aside."""
    tasks = source.files + source.size // splits.split_bytes(source.size, source.files)
    return min(MOST_OF_A_TASK, MOST_IN_ALL // tasks)


def empty(spark: SparkSession) -> tuple[Any, str]:
    """What a task fills: a Java object and its class."""
    return calls_of(spark).java(TEXT)(), TEXT


def noted(spark: SparkSession, text: tuple[Any, str], most_of_a_task: int) -> Column:
    """Put what is `ASIDE` into the text, while there is room; true."""
    calls = calls_of(spark)
    whole = calls.kind("int")
    # one line may be longer than all there is room for
    line = calls.string(calls.sql(f"left({ASIDE}, {most_of_a_task})"))
    longer = calls.method(calls.held(*text), "append", calls.object_of(TEXT), line, lasting=True)
    length = calls.column(calls.method(calls.held(*text), "length", whole, lasting=True))
    put = calls.column(calls.method(longer, "length", whole, lasting=True)) > 0
    return F.when(F.col(ASIDE).isNotNull() & (length < most_of_a_task), put).otherwise(True)


def lines(spark: SparkSession, texts: list[Any], most_of_a_task: int) -> Optional[DataFrame]:
    """`line` and `read.ROW_ID` of all that was set aside, in this order; None if that may not be all there was."""
    calls = calls_of(spark)
    some, longer = calls.java(LIST)(), None
    for text in texts:
        if text.length() >= most_of_a_task:
            return None
        if longer is None or longer.length() >= TO_A_TASK:
            longer = calls.java(TEXT)()
            some.add(longer)
        longer.append(text)
    # each task of this frame takes one of the texts, which travel apart from the plan
    taken = calls.method(calls.shared(some, LIST), "get", calls.object_of(TEXT), calls.sql("CAST(id AS int)"))
    every = F.explode(F.split(calls.column(calls.text(taken)), "\n"))
    each = spark.range(0, some.size(), 1, some.size()).select(every.alias("text"))
    number = "substring_index(text, ',', 1)"
    numbered = f"substring(text, length({number}) + 2) AS line", f"CAST({number} AS bigint) AS {read.ROW_ID}"
    return each.where("text != ''").selectExpr(*numbered)
