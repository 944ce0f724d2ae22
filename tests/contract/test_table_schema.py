"""What a schema file may say, and that nothing in it is passed over in silence."""

import json
import re
from typing import Any

import pytest

from jobs.contract import table_schema
from jobs.errors import UsageError

ID = {"name": "id", "type": "string"}


def parsed(*fields: Any, **more: Any) -> table_schema.TableSchema:
    """A schema of `fields` beside id."""
    return table_schema.parse(json.dumps({"fields": [ID, *fields], **more}), "s.json")


def test_types_follow_table_schema_and_spark_type_narrows_them() -> None:
    kinds = ["string", "number", "integer", "boolean", "date", "datetime"]
    schema = parsed(
        *({"name": kind, "type": kind} for kind in kinds),
        {"name": "f", "type": "number", "spark:type": "float"},
        {"name": "d", "type": "number", "spark:type": "decimal(10,2)"},
        {"name": "i", "type": "integer", "spark:type": "int"},
        {"name": "untyped"},
    )
    assert [field.spark_type for field in schema.fields[1:]] == [
        *("string", "double", "bigint", "boolean", "date", "timestamp"),
        *("float", "decimal(10,2)", "int", "string"),
    ]
    assert schema.missing_values == ("",)


def test_a_primary_key_is_required_and_comes_before_unique_columns() -> None:
    schema = parsed({"name": "u", "constraints": {"unique": True}}, primaryKey="id")
    assert schema.primary_key == ("id",)
    assert schema.keys == (("id",), ("u",))
    assert [field.required for field in schema.fields] == [True, False]
    assert parsed({"name": "n", "type": "integer"}, primaryKey=["id", "n"]).keys == (("id", "n"),)


WRONG: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", "not JSON"),
    "a list": ([], '"fields"'),
    "no fields": ({}, '"fields"'),
    "empty": ({"fields": []}, '"fields"'),
    "fields no list": ({"fields": {"a": 1}}, '"fields"'),
    "no name": ({"fields": [{"type": "string"}]}, '"name"'),
    "no object": ({"fields": ["id"]}, '"name"'),
    "names alike": ({"fields": [ID, {"name": "ID"}]}, "names must differ"),
    "our own name": ({"fields": [{"name": "_na_x"}]}, "the job's own"),
    "back-tick": ({"fields": [{"name": "a`b"}]}, "back-tick"),
    "missing values": ({"fields": [ID], "missingValues": "NA"}, '"missingValues"'),
    "missing number": ({"fields": [ID], "missingValues": [-999]}, '"missingValues"'),
    "strange key": ({"fields": [ID], "primaryKey": "nope"}, "primaryKey names 'nope'"),
    "key a number": ({"fields": [ID], "primaryKey": 5}, "primaryKey"),
    "key of numbers": ({"fields": [ID], "primaryKey": [5]}, "primaryKey"),
    "unknown reason": ({"fields": [ID], "nightly:maxRejects": {"type_error": 0}}, "no reason 'type_error'"),
    "reason of no column": ({"fields": [ID], "nightly:maxRejects": {"type-error:x": 0}}, "no reason 'type-error:x'"),
    "semicolon": ({"fields": [{"name": "a;b"}]}, "back-tick, line break or ;"),
    "name twice": ('{"fields": [{"name": "id"}], "fields": [{"name": "x"}]}', "'fields' appears twice"),
    "keys of version 2": ({"fields": [ID], "uniqueKeys": [["id"]]}, '"uniqueKeys"'),
    "foreign keys": ({"fields": [ID], "foreignKeys": [{"fields": "id"}]}, '"foreignKeys"'),
    "no column more": ({"fields": [ID], "fieldsMatch": ["exact"]}, '"fieldsMatch"'),
    "misspelt": ({"fields": [ID], "primary_key": "id"}, 'did you mean "primaryKey"?'),
    "nested too deeply": ("[" * 100_000, "nested too deeply"),
    "limit": ({"fields": [ID], "nightly:maxRejects": {"type-error": "few"}}, "nightly:maxRejects"),
    "limit of half a row": ({"fields": [ID], "nightly:maxRejects": {"type-error": 1.5}}, "nightly:maxRejects"),
    "limit 1.0": ({"fields": [ID], "nightly:maxRejects": {"type-error": "1.0"}}, "nightly:maxRejects"),
    "limits a list": ({"fields": [ID], "nightly:maxRejects": ["1"]}, "nightly:maxRejects"),
}
WRONG_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "type": ({"type": "geopoint"}, "'geopoint' is not supported"),
    "type a list": ({"type": ["string"]}, "is not supported"),
    "format": ({"type": "date", "format": "%d.%m.%Y"}, '"format"'),
    "format a list": ({"type": "date", "format": ["default"]}, '"format"'),
    "decimal comma": ({"type": "number", "decimalChar": ","}, '"decimalChar"'),
    "minimum with _": ({"type": "number", "constraints": {"minimum": "1_000"}}, "minimum '1_000'"),
    "minimum too large": ({"type": "integer", "constraints": {"minimum": "9223372036854775808"}}, "minimum '92233"),
    "minimum behind a comma": (
        {"type": "datetime", "constraints": {"minimum": "2020-01-01T00:00:00,5"}},
        "minimum '2020",
    ),
    "minimum far east": (
        {"type": "datetime", "constraints": {"minimum": "2020-01-01T00:00:00+19:00"}},
        "minimum '2020",
    ),
    "minimum to the second of a zone": (
        {"type": "datetime", "constraints": {"minimum": "2020-01-01T00:00:00+01:30:15"}},
        "minimum '2020",
    ),
    "minimum in wide digits": ({"type": "number", "constraints": {"minimum": "\uff15"}}, "minimum '\uff15'"),
    "minimum without -": ({"type": "datetime", "constraints": {"minimum": "20240101T100000"}}, "minimum '2024"),
    "true values": ({"type": "boolean", "trueValues": ["ja"]}, '"trueValues"'),
    "false values": ({"type": "boolean", "falseValues": ["nein"]}, '"falseValues"'),
    "missing values of its own": ({"missingValues": ["-"]}, '"missingValues"'),
    "misspelt constraints": ({"constraint": {"required": True}}, 'did you mean "constraints"?'),
    "spark:type": ({"type": "integer", "spark:type": "double"}, "does not go with"),
    "spark:type a number": ({"type": "integer", "spark:type": 5}, "does not go with"),
    "wide decimal": ({"type": "number", "spark:type": "decimal(39,2)"}, "precision"),
    "scale": ({"type": "number", "spark:type": "decimal(3,4)"}, "precision"),
    "constraints a list": ({"constraints": ["required"]}, "constraints"),
    "constraints null": ({"constraints": None}, "constraints"),
    "constraint": ({"constraints": {"exclusiveMinimum": 1}}, "'exclusiveMinimum' is not supported"),
    "pattern on a number": ({"type": "number", "constraints": {"pattern": "1"}}, "pattern goes with"),
    "pattern a number": ({"constraints": {"pattern": 5}}, "does not compile"),
    "pattern null": ({"constraints": {"pattern": None}}, "does not compile"),
    "minimum of a text": ({"constraints": {"minimum": 1}}, "does not go with"),
    "minimum no number": ({"type": "number", "constraints": {"minimum": "low"}}, "minimum 'low'"),
    "minimum NaN": ({"type": "number", "constraints": {"minimum": "NaN"}}, "minimum 'NaN'"),
    "minimum null": ({"type": "number", "constraints": {"minimum": None}}, "minimum None"),
    "minimum in between": ({"type": "integer", "constraints": {"minimum": 0.5}}, "minimum 0.5"),
    "minimum no date": ({"type": "date", "constraints": {"minimum": "2026-02-30"}}, "minimum '2026-02-30'"),
    "maximum no time": ({"type": "datetime", "constraints": {"maximum": "noon"}}, "maximum 'noon'"),
    "enum empty": ({"constraints": {"enum": []}}, "enum"),
    "enum of texts": ({"type": "integer", "constraints": {"enum": [1, "two"]}}, "enum"),
    "enum of numbers": ({"constraints": {"enum": [1]}}, "enum"),
    "minimum beyond the scale": (
        {"type": "number", "spark:type": "decimal(10,2)", "constraints": {"minimum": 0.005}},
        "minimum 0.005 does not fit into decimal(10,2)",
    ),
    "maximum beyond the scale": (
        {
            "type": "number",
            "spark:type": "decimal(38,10)",
            "constraints": {"maximum": "1.00000000000000000000000000001"},
        },
        "does not fit into decimal(38,10)",
    ),
    "enum beyond the scale": (
        {"type": "number", "spark:type": "decimal(10,2)", "constraints": {"enum": [1, 1.005]}},
        "enum 1.005 does not fit",
    ),
    "minimum no decimal reaches": (
        {"type": "number", "spark:type": "decimal(4,2)", "constraints": {"minimum": 100}},
        "minimum 100 does not fit",
    ),
    "enum above the decimals": (
        {"type": "number", "spark:type": "decimal(4,2)", "constraints": {"enum": ["-1e2"]}},
        "enum '-1e2' does not fit",
    ),
    "minimum above smallint": (
        {"type": "integer", "spark:type": "smallint", "constraints": {"minimum": 32768}},
        "minimum 32768 does not fit into smallint",
    ),
    "maximum below tinyint": (
        {"type": "integer", "spark:type": "tinyint", "constraints": {"maximum": -129}},
        "maximum -129 does not fit into tinyint",
    ),
    "minimum of too small an exponent": (
        {"type": "number", "constraints": {"minimum": "1e-99999999999999999999"}},
        "minimum '1e-9999",
    ),
    "enum above int": (
        {"type": "integer", "spark:type": "int", "constraints": {"enum": [1, "2147483648"]}},
        "enum '2147483648' does not fit into int",
    ),
    "length": ({"constraints": {"minLength": -1}}, "minLength"),
    "length yes": ({"constraints": {"maxLength": True}}, "maxLength"),
    "required": ({"constraints": {"required": "false"}}, "required"),
    "unique": ({"constraints": {"unique": 1}}, "unique"),
}


@pytest.mark.parametrize("name", [*WRONG, *WRONG_FIELDS])
def test_a_schema_that_does_not_parse_is_a_usage_error_that_names_file_and_spot(name: str) -> None:
    if name in WRONG:
        raw, said = WRONG[name]
    else:
        field, said = WRONG_FIELDS[name]
        raw = {"fields": [ID, {"name": "f", **field}]}
    text = raw if isinstance(raw, str) else json.dumps(raw)
    with pytest.raises(UsageError) as caught:
        table_schema.parse(text, "s.json")
    assert str(caught.value).startswith("schema s.json: ")
    assert said in str(caught.value)
    assert name not in WRONG_FIELDS or "field 'f'" in str(caught.value)


@pytest.mark.parametrize("bound", ["0.1000000000000000001", "12345678901234567.5", "1.5e-1"])
def test_a_decimals_bound_is_taken_digit_by_digit(bound: str) -> None:
    narrow, wide = (
        f'{{"fields": [{{"name": "d", "type": "number", "spark:type": "decimal(38,{scale})", "constraints": {{"minimum": {bound}}}}}]}}'
        for scale in (0, 20)
    )
    with pytest.raises(UsageError, match=f"minimum {re.escape(bound)} does not fit into"):
        table_schema.parse(narrow, "s.json")
    (field,) = table_schema.parse(wide, "s.json").fields
    assert str(field.constraints["minimum"]) == bound


def test_bounds_and_options_of_every_type_are_taken() -> None:
    parsed(
        {"name": "n", "type": "number", "constraints": {"minimum": -1.5, "maximum": "2e3", "enum": [1, 2.5]}},
        {
            "name": "i",
            "type": "integer",
            "constraints": {"minimum": "-9223372036854775808", "maximum": "10", "enum": [1, "2"]},
        },
        {
            "name": "p",
            "type": "number",
            "spark:type": "decimal(4,2)",
            "constraints": {"minimum": "-1e99", "maximum": 1000, "enum": [99.99, -99.99, "1.500", "2e1", 0.0]},
        },
        {
            "name": "tiny",
            "type": "integer",
            "spark:type": "tinyint",
            "constraints": {"minimum": -9999, "maximum": 128, "enum": [-128, 127]},
        },
        {"name": "d", "type": "date", "constraints": {"minimum": "2026-01-01", "enum": ["2026-01-01"]}},
        {"name": "t", "type": "datetime", "constraints": {"minimum": "2026-01-01T00:00:00Z"}},
        {"name": "b", "type": "boolean", "constraints": {"enum": [True]}},
        {"name": "s", "constraints": {"enum": ["a"], "pattern": "[a-z]", "minLength": 0, "unique": False}},
    )
