"""Typed cells: the value that Python reads in the cell, or a reject that names the column."""

import pytest

from tests.support.runs import Ended
from tests.trust import oracle, typed
from tests.trust.conftest import Delivered, write
from tests.trust.corpus import Case

CASES = typed.cases()


@pytest.fixture(scope="module")
def ended(delivered: Delivered, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """One run over a folder that holds all cases."""
    return delivered(write(CASES, tmp_path_factory.mktemp("typed")), schema=typed.SCHEMA, policy=typed.POLICY)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_cell_is_published_as_its_value_or_rejected_with_its_reason(case: Case, ended: Ended) -> None:
    assert ended.code == 0, ended.stderr
    wanted = oracle.expected_typed(case)
    assert {row["ID"]: oracle.published_typed(row) for row in ended.actions if row["ID"] in wanted} == wanted
    rejects = [row for row in ended.rejects if row["_source"].endswith(f"/{case.file}")]
    assert {int(row["_record"]): row["_reasons"] for row in rejects} == case.rejects
    assert len(rejects) == len(case.rejects)


def test_no_typed_row_is_invented(ended: Ended) -> None:
    assert len(ended.actions) == sum(len(oracle.expected_typed(case)) for case in CASES)
    assert ended.summary["rows_rejected"] == sum(len(case.rejects) for case in CASES)
