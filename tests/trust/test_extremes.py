"""Very long cells, very many columns, folders in folders, hidden files beside them: every row is there, and nothing else."""

import pytest

from tests.support.runs import Ended
from tests.trust import corpus, extremes, oracle
from tests.trust.conftest import Fitted, Night, holds_every_row, write
from tests.trust.corpus import Case

CASES = extremes.cases()


@pytest.fixture(scope="module")
def ended(nights: Night, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """One run over a folder that holds all cases."""
    folder = write(CASES, tmp_path_factory.mktemp("extremes"))
    for name in extremes.HIDDEN:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(corpus.plain("hidden", corpus.GOOD))
    return nights(folder)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_row_is_published_with_its_number_or_rejected_with_its_reason(
    case: Case, ended: Ended, fitted: Fitted
) -> None:
    holds_every_row(ended, case, fitted)


def test_nothing_is_invented(ended: Ended, fitted: Fitted) -> None:
    assert {row["ID"] for row in ended.actions} == {key for case in CASES for key in oracle.expected(case, fitted.line)}
    assert ended.summary["rows_rejected"] == sum(len(case.rejects) for case in CASES)


def test_a_hidden_file_is_passed_over_and_named(ended: Ended) -> None:
    notes = [note for note in ended.package["notes"] if note.startswith("passed over hidden file ")]
    assert {note[note.index("/extremes") :].split("/", 2)[2] for note in notes} == set(extremes.HIDDEN)
    assert len(notes) == len(extremes.HIDDEN)
