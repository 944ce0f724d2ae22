"""How dirty the input may be."""

from collections import Counter

import pytest

from jobs.contract.gates import Gates, allowed
from jobs.errors import InputRefusedError, UsageError


@pytest.mark.parametrize(
    ("limit", "rows", "expected"),
    [
        ("0", 100, 0),
        ("10", 5, 10),
        ("0.5%", 1000, 5),
        ("0.5%", 999, 4),
        ("100%", 7, 7),
        (" 3 ", 9, 3),
        ("29%", 100, 29),
    ],
)
def test_a_limit_is_a_count_or_a_rate_of_the_rows_read(limit: str, rows: int, expected: int) -> None:
    assert allowed(limit, rows) == expected


@pytest.mark.parametrize("limit", ["", "-1", "1.5", "%", "many", "1 %", "1e2%"])
def test_anything_else_is_a_usage_error(limit: str) -> None:
    with pytest.raises(UsageError, match="give a count"):
        allowed(limit, 1)


def codes(reasons: dict[str, int]) -> dict[str, int]:
    """Rows by code, where none has two reasons."""
    found = Counter[str]()
    for reason, count in reasons.items():
        found[reason.split(":")[0]] += count
    return found


def test_the_limit_itself_passes_and_one_more_is_refused() -> None:
    gates = Gates("2", 3, {"type-error": "1", "constraint-error:x": "0"})
    few = {"type-error:a": 1, "constraint-error:y": 1}
    gates.check(rows_read=3, rows_rejected=2, rejected_by_reason=few, rejected_by_code=codes(few))
    both = {"type-error:a": 1, "type-error:b": 1}  # of one row
    gates.check(rows_read=3, rows_rejected=1, rejected_by_reason=both, rejected_by_code={"type-error": 1})
    for counts, said in (
        ((2, 0, {}), "at least 3"),
        ((9, 3, {"extra-cell": 3}), "3 of 9 rows rejected (extra-cell: 3); 2 allowed"),
        ((9, 2, {"type-error:a": 1, "type-error:b": 1}), "2 of 9 rows rejected for type-error"),
        ((9, 1, {"constraint-error:x": 1}), "rejected for constraint-error:x"),
    ):
        read, rejected, reasons = counts
        with pytest.raises(InputRefusedError) as caught:
            gates.check(
                rows_read=read, rows_rejected=rejected, rejected_by_reason=reasons, rejected_by_code=codes(reasons)
            )
        assert said in str(caught.value)
