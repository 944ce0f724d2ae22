"""What a policy file may say."""

import json
from typing import Any

import pytest

from jobs.contract import policy
from jobs.errors import UsageError

COLUMNS = {"ID": "ID"}
RULE = {"action": "call", "when": "prediction > 1"}


def test_the_designs_example_parses() -> None:
    found = policy.parse(
        json.dumps(
            {
                "actions": [{**RULE, "limit": 100, "by": "prediction desc"}, {"action": "mail", "when": "true"}],
                "otherwise": "none",
                "columns": {"key": "`ID`", "price": "round(prediction, 2)"},
            }
        ),
        "p.json",
    )
    assert found.action_names == ("call", "mail", "none")
    assert found.rules[0].order == ("prediction", True)
    assert found.published_key(("ID",)) == ("key",)
    assert found.published_key(("ID", "other")) == ()


@pytest.mark.parametrize(
    ("expression", "key", "carried"),
    [
        ("ID", "ID", True),
        (" `ID` ", "ID", True),
        ("1st", "1st", True),
        ("`1`", "1", True),
        ("`a b`", "a b", True),
        ("1", "1", False),
        ("2L", "2L", False),
        ("1e3", "1e3", False),
        ("null", "null", False),
        ("TRUE", "TRUE", False),
        ("a.b", "a.b", False),
        ("a b", "a b", False),
        ("upper(ID)", "ID", False),
    ],
)
def test_a_column_carries_the_key_if_its_expression_is_the_keys_name(expression: str, key: str, carried: bool) -> None:
    found = policy.parse(json.dumps({"otherwise": "go", "columns": {"out": expression}}), "p.json")
    assert found.published_key((key,)) == (("out",) if carried else ())


@pytest.mark.parametrize(
    ("by", "order"),
    [
        ("prediction desc", ("prediction", True)),
        ("a + b ASC", ("a + b", False)),
        ("prediction", ("prediction", False)),
        ("descent", ("descent", False)),
    ],
)
def test_by_is_an_expression_and_a_direction(by: str, order: tuple[str, bool]) -> None:
    assert policy.Rule("a", "true", 1, by).order == order


WRONG: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", "not JSON"),
    "column twice": ('{"columns": {"a": "x", "a": "y"}}', "'a' appears twice"),
    "a list": ([], "JSON object"),
    "a stranger": ({"columns": COLUMNS, "rules": []}, "unknown entry 'rules'"),
    "no columns": ({"actions": [RULE]}, '"columns"'),
    "empty columns": ({"actions": [RULE], "columns": {}}, '"columns"'),
    "column a number": ({"actions": [RULE], "columns": {"a": 1}}, '"columns"'),
    "column blank": ({"actions": [RULE], "columns": {"a": " "}}, '"columns"'),
    "columns alike": ({"actions": [RULE], "columns": {"a": "x", "A": "y"}}, "must differ"),
    "actions an object": ({"actions": {}, "columns": COLUMNS}, '"actions" must be a list'),
    "nobody gets any": ({"actions": [], "columns": COLUMNS}, "no row would ever get an action"),
    "otherwise a number": ({"actions": [RULE], "columns": COLUMNS, "otherwise": 1}, '"otherwise"'),
    "escape": ({"actions": [RULE], "columns": COLUMNS, "escape_formulas": "yes"}, "escape_formulas"),
}
WRONG_RULES: dict[str, tuple[Any, str]] = {
    "no object": ("call", "a rule has"),
    "a stranger": ({**RULE, "if": "x"}, "a rule has"),
    "no when": ({"action": "call"}, '"action" and "when"'),
    "when true": ({"action": "call", "when": True}, '"action" and "when"'),
    "blank action": ({"action": " ", "when": "true"}, '"action" and "when"'),
    "limit alone": ({**RULE, "limit": 5}, "go together"),
    "by alone": ({**RULE, "by": "x"}, "go together"),
    "negative": ({**RULE, "limit": -1, "by": "x"}, '"limit"'),
    "limit too large": ({**RULE, "limit": 1 << 31, "by": "x"}, '"limit"'),
    "limit true": ({**RULE, "limit": True, "by": "x"}, '"limit"'),
    "limit text": ({**RULE, "limit": "5", "by": "x"}, '"limit"'),
    "by blank": ({**RULE, "limit": 5, "by": " "}, '"by"'),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_policy_that_does_not_parse_is_a_usage_error(name: str) -> None:
    raw, said = WRONG[name]
    with pytest.raises(UsageError) as caught:
        policy.parse(raw if isinstance(raw, str) else json.dumps(raw), "p.json")
    assert str(caught.value).startswith("policy p.json: ")
    assert said in str(caught.value)


@pytest.mark.parametrize("name", WRONG_RULES)
def test_a_wrong_rule_is_named_by_its_number(name: str) -> None:
    rule, said = WRONG_RULES[name]
    with pytest.raises(UsageError) as caught:
        policy.parse(json.dumps({"actions": [RULE, rule], "columns": COLUMNS}), "p.json")
    assert str(caught.value).startswith("policy p.json: actions[2]: ")
    assert said in str(caught.value)
