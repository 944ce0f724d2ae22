"""Every case of the corpus: the right row with the right number, or a reject with the right reason; nothing else."""

import pytest

from tests.support.runs import Ended
from tests.trust import corpus, oracle
from tests.trust.conftest import Delivered, Fitted, holds_every_row, write
from tests.trust.corpus import Case

GROUPS = {
    "whole": [*corpus.shapes(), *corpus.texts(), *corpus.numbers()],
    "layouts": corpus.layouts(),
    # each layout has a way of its own for records over several lines: two of them will do
    "broken": [*corpus.broken(), *(case for case in corpus.layouts() if case.name == "reordered-columns")],
}
CASES = [(group, case) for group, cases in GROUPS.items() for case in cases]


@pytest.fixture(scope="module")
def ended(delivered: Delivered, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """One run for each group, over a folder that holds all its cases."""
    return {group: delivered(write(cases, tmp_path_factory.mktemp(group))) for group, cases in GROUPS.items()}


@pytest.mark.parametrize(("group", "case"), CASES, ids=[case.name for _, case in CASES])
def test_every_row_is_published_with_its_number_or_rejected_with_its_reason(
    group: str, case: Case, ended: dict[str, Ended], fitted: Fitted
) -> None:
    holds_every_row(ended[group], case, fitted)


@pytest.mark.parametrize("group", GROUPS)
def test_nothing_is_invented(group: str, ended: dict[str, Ended], fitted: Fitted) -> None:
    wanted = {key for case in GROUPS[group] for key in oracle.expected(case, fitted.line)}
    assert {row["ID"] for row in ended[group].actions} == wanted
    assert len(ended[group].actions) == len(wanted)
    assert ended[group].summary["rows_rejected"] == sum(len(case.rejects) for case in GROUPS[group])
