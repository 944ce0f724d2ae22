"""A published floating-point number: the shortest text that reads back as it, whichever Java writes it."""

import random
import struct
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.contract import policy
from jobs.scoring import decide

DRAWN = 50_000
# zeros, borders between the two ways to write a number, extremes, and last what Java before 19 writes with more digits
KNOWN = [
    "0.0", "-0.0", "1.0", "-1.5", "0.001", "9.999E-4", "9999999.0", "1.0E7", "2.0E23", "1.1E-5", "4.9E-324",
    "2.2250738585072014E-308", "1.7976931348623157E308", "2.82879384806159E17", "2.2E-322",
]  # fmt: skip


def written(spark: SparkSession, numbers: list[float], kind: T.DataType) -> list[str]:
    """The lines of the column of `numbers`."""
    rules = policy.parse('{"actions": [], "otherwise": "all", "columns": {"it.s": "x"}}', "policy.json")
    rows = spark.createDataFrame([(number,) for number in numbers], T.StructType([T.StructField("x", kind)])).coalesce(
        1
    )
    decided: DataFrame = rows.withColumns({decide.CHOSEN: F.lit(0), decide.ACTION: F.lit("all")})
    return [row[0] for row in decide.lines(decided, rules).select("line").collect()]


def digits(text: str) -> str:
    """The significant digits of a number."""
    return text.lower().split("e")[0].lstrip("-").replace(".", "").strip("0")


def test_known_numbers_are_written_as_they_are(spark: SparkSession) -> None:
    assert written(spark, list(map(float, KNOWN)), T.DoubleType()) == KNOWN


@pytest.mark.parametrize(
    ("kind", "code", "size", "shortest"),
    [(T.DoubleType(), "d", 8, repr), (T.FloatType(), "f", 4, lambda x: str(np.float32(x)))],
    ids=["double", "float"],
)
def test_a_number_is_as_short_as_python_or_numpy_writes_it_and_reads_back_as_itself(
    spark: SparkSession, kind: T.DataType, code: str, size: int, shortest: Any
) -> None:
    draw = random.Random(16)
    bits = [struct.unpack(code, draw.randbytes(size))[0] for _ in range(DRAWN)]
    usual = [struct.unpack(code, struct.pack(code, draw.gauss(20, 10)))[0] for _ in range(DRAWN)]
    numbers = [number for number in (*bits, *usual) if np.isfinite(number)]
    lines = written(spark, numbers, kind)
    assert len(lines) == len(numbers)
    for number, line in zip(numbers, lines):
        assert struct.pack(code, float(line)) == struct.pack(code, number), line
        # Java writes two digits at least, and so takes the nearest of those
        assert digits(line) == digits(shortest(number)) or len(digits(line)) <= 2, line
