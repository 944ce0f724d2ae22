"""Lines split at their commas, by their bytes or with an eye to quotes: the cells are those of Python's `csv`."""

import csv
import json
import random
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.contract import header, table_schema
from jobs.scoring import commas, read

ALPHABET = 'a1 é€,,,,"'


@pytest.mark.parametrize("width", [1, 2, 3, commas.MOST_CELLS, commas.MOST_CELLS + 1])
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
    found = {row[read.LINE]: row for row in read.split(text, layout, schema, (read.LINE,)).collect()}
    assert len(found) == len(lines) + 1
    proper = 0
    for line in lines:
        shape = found[line][read.SHAPE]
        (wanted,) = csv.reader([line]) if line else ([""],)
        if '"' not in line:
            counts = {
                True: read.OK,
                len(wanted) < width: read.SHORT,
                len(wanted) > width: read.LONG,
                not line: read.BLANK,
            }
            assert shape == [code for is_so, code in counts.items() if is_so][-1]
        if shape == read.OK:
            proper += 1
            assert [found[line][name] for name in turned] == wanted
    assert proper > 100


def test_bytes_that_are_no_characters_are_told_in_text(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"id,x\n\xc3,1\na\xe2\x82,2\n\xc3\xa9,3\n")
    schema = table_schema.parse('{"fields": [{"name": "id", "type": "string"}, {"name": "x", "type": "number"}]}', "s")
    layout = header.bind(b"id,x", schema, "in.csv")
    text = spark.read.text(f"file://{tmp_path}/in.csv").selectExpr("value AS line")
    told = read.split(text, layout, schema, ()).selectExpr("x", "contains(id, '\ufffd') AS told")  # as validation asks
    assert {row["x"]: row["told"] for row in told.collect()} == {"x": False, "1": True, "2": True, "3": False}
