"""Columns are found by name, in whatever order and quoting."""

import pytest

from jobs.contract import header, table_schema
from jobs.errors import InputRefusedError

SCHEMA = table_schema.parse('{"fields": [{"name": "id"}, {"name": "a, b"}]}', "s.json")


@pytest.mark.parametrize(
    ("line", "positions", "width"),
    [
        ('id,"a, b"', (0, 1), 2),
        ('"a, b",x,id', (2, 0), 3),
        ('\ufeffid,"a, b"', (0, 1), 2),
        ('x,"a, b","id",', (2, 1), 4),
    ],
)
def test_each_schema_column_has_a_position(line: str, positions: tuple[int, ...], width: int) -> None:
    layout = header.bind(line.encode(), SCHEMA, "f.csv")
    assert (layout.positions, layout.width) == (positions, width)
    assert not layout.header.startswith("\ufeff")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"", "no header"),
        (b"  ", "no header"),
        (b'id,"a, b"\rx', "bare CR"),
        (b"\xff\xfei\x00d\x00", "UTF-16"),
        (b"id,\xe9", "not UTF-8"),
        (b'id,"a, b', "not one CSV line"),
        (b'id,"a, b"x', "not one CSV line"),
        (b'id,id,"a, b"', "'id' appears 2 times"),
        (b'Id,"a, b"', "it has 'Id': names must match exactly"),
        (b'id ,"a, b"', "it has 'id ': names must match exactly"),
        (b"id,b", "no column 'a, b'; its header is 'id,b'; correct"),
        (b"id;b", "no column 'id'; its header is 'id;b', without a comma, which has to be the separator; correct"),
    ],
)
def test_a_header_that_does_not_fit_is_refused_with_file_and_cure(line: bytes, said: str) -> None:
    with pytest.raises(InputRefusedError) as caught:
        header.bind(line, SCHEMA, "f.csv")
    assert str(caught.value).startswith("f.csv: ")
    assert said in str(caught.value)
