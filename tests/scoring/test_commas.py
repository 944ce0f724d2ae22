"""Lines split at their commas, by their bytes or with an eye to quotes: the cells are those of Python's `csv`."""

import csv
import json
import math
import random
import re
import struct
from pathlib import Path
from typing import Union

import pytest
from pyspark.sql import SparkSession

from jobs.contract import header, table_schema
from jobs.scoring import commas, methods, shapes, validate

NUMBER = re.compile(r" *[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)? *")
ODD_NUMBERS = [
    "0", "-0", "-0.0", "+.5", "-.5", ".", "-", "-.", "+.", "5.", "1-5", "5-", "1.2.3", "1e5", "0x1p3", "1d", "1f", "NaN",
    "Infinity", " 1", "1 ", "1\t", "\t1", "1\x01", "9007199254740993", "9223372036854775807", "9223372036854775808",
    "179769313486231570" + "0" * 291, "0." + "0" * 323 + "49", "0.1", "123456789012345.6", "1234567890123456.7", "", "\u00b2", "\uff11",
]  # fmt: skip
ALPHABET = 'a1 é€,,,,"'


@pytest.mark.parametrize(
    "width", [1, 2, 3, methods.COLUMNS, methods.COLUMNS + 1, commas.MOST_CELLS, commas.MOST_CELLS + 1]
)
def test_drawn_lines_have_the_cells_that_python_finds(width: int, spark: SparkSession, tmp_path: Path) -> None:
    chance = random.Random(width)
    drawn = ("".join(chance.choices(ALPHABET[: chance.choice((9, 10))], k=chance.randrange(16))) for _ in range(2000))
    # those of the right width are rare among them
    cells = (["".join(chance.choices("a1 é€", k=chance.randrange(4))) for _ in range(width)] for _ in range(500))
    quoted = ([f'"{cell},"""' if chance.random() < 0.3 else cell for cell in row] for row in cells)
    lines = list(dict.fromkeys([*drawn, *(",".join(row) for row in quoted)]))
    names = [f"c{at}" for at in range(width)]
    turned = names[::-1]  # the file's order is another
    (tmp_path / "in.csv").write_text("\n".join([",".join(turned), *lines, ""]), encoding="utf-8")
    schema = table_schema.parse(json.dumps({"fields": [{"name": name, "type": "string"} for name in names]}), "schema")
    layout = header.bind(",".join(turned).encode(), schema, "in.csv")
    text = spark.read.text(f"file://{tmp_path}/in.csv").selectExpr("value AS line")
    found = {row[shapes.LINE]: row for row in shapes.split(text, layout, schema, (shapes.LINE,)).collect()}
    assert len(found) == len(lines) + 1
    proper = 0
    for line in lines:
        shape = found[line][shapes.SHAPE]
        (wanted,) = csv.reader([line]) if line else ([""],)
        if '"' not in line:
            counts = {
                True: shapes.OK,
                len(wanted) < width: shapes.SHORT,
                len(wanted) > width: shapes.LONG,
                not line: shapes.BLANK,
            }
            assert shape == [code for is_so, code in counts.items() if is_so][-1]
        if shape == shapes.OK:
            proper += 1
            assert [found[line][name] for name in turned] == wanted
    assert proper > 100


def test_bytes_that_are_no_characters_are_told_in_text(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b'id,x\n\xc3,1\na\xe2\x82,2\n\xc3\xa9,3\n"\xc3",4\n"\xc3\xa9,",5\n')
    schema = table_schema.parse('{"fields": [{"name": "id", "type": "string"}, {"name": "x", "type": "number"}]}', "s")
    layout = header.bind(b"id,x", schema, "in.csv")
    text = spark.read.text(f"file://{tmp_path}/in.csv").selectExpr("value AS line")
    # as validation asks
    told = shapes.split(text, layout, schema, ()).selectExpr("x", "contains(id, '\ufffd') AS told")
    assert {row["x"]: row["told"] for row in told.collect()} == {
        "": False, "1": True, "2": True, "3": False, "4": True, "5": False,
    }  # fmt: skip


def test_a_nul_beside_quotes_parts_no_cells_and_is_told(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b'id,x\n"a\0,b",1\na\0b,"2"\na\0b,3\n')
    schema = table_schema.parse('{"fields": [{"name": "id", "type": "string"}, {"name": "x", "type": "integer"}]}', "s")
    layout = header.bind(b"id,x", schema, "in.csv")
    text = spark.read.text(f"file://{tmp_path}/in.csv").selectExpr("value AS line")
    rows = shapes.split(text, layout, schema, ()).where(f"{shapes.SHAPE} = {shapes.OK}").collect()
    assert {row["x"]: row["id"] for row in rows} == {"1": "a\ufffd,b", "2": "a\0b", "3": "a\0b"}


def test_numbers_are_read_as_python_reads_them_to_the_last_bit_and_nothing_else_is_one(
    spark: SparkSession, tmp_path: Path
) -> None:
    chance = random.Random(17)
    cells = [*ODD_NUMBERS, *(drawn_number(chance) for _ in range(200_000))]
    chance.shuffle(cells)
    rows = [(cell, other) for cell, other in zip(cells, reversed(cells))]
    lines = (f'{n},{cell},"{other}"' for n, (cell, other) in enumerate(rows))
    (tmp_path / "in.csv").write_text("\n".join(["n,x,y", *lines, ""]))
    fields = [{"name": "n", "type": "integer"}, {"name": "x", "type": "number"}, {"name": "y", "type": "number"}]
    schema = table_schema.parse(json.dumps({"fields": fields}), "s")
    layout = header.bind(b"n,x,y", schema, "in.csv")
    text = spark.read.text(f"file://{tmp_path}/in.csv").selectExpr("value AS line")
    split = shapes.split(text, layout, schema, ()).where(f"{shapes.SHAPE} = {shapes.OK}")
    found = {row.n: (row.x, row.y) for row in validate.check(split, schema, frozenset()).collect()}
    wanted = {n: tuple(map(as_number, row)) for n, row in enumerate(rows)}
    valid = {n: row for n, row in wanted.items() if NOT_A_NUMBER not in row}
    assert {n: repr(row) for n, row in found.items()} == {n: repr(row) for n, row in valid.items()}
    assert 0.4 < len(valid) / len(rows) < 0.9


NOT_A_NUMBER = "no number"


def as_number(cell: str) -> Union[float, str, None]:
    """What Python reads, where the cell is written as a number of the schema."""
    if not cell:
        return None
    found = float(cell) if NUMBER.fullmatch(cell) else math.inf
    return found if math.isfinite(found) else NOT_A_NUMBER


def drawn_number(chance: random.Random) -> str:
    """A number in one of the ways in which they are written, or nearly so."""
    digits = "".join(chance.choices("0123456789", k=chance.randrange(1, 22)))
    point = chance.randrange(len(digits) + 1)
    return chance.choice(
        [
            f"{chance.choice(('', '-', '+'))}{digits[:point]}.{digits[point:]}",
            f"{chance.uniform(-100, 100):.{chance.randrange(1, 8)}f}",
            repr(struct.unpack("d", chance.randbytes(8))[0]),
            repr(chance.gauss(0, 10)),
            "".join(chance.choices("0123456789.-+eE ", k=chance.randrange(1, 6))),
        ]
    )
