"""Every case of the corpus: the right row with the right number, or a reject with the right reason; nothing else."""

import pytest

from tests.support.runs import Ended
from tests.trust import corpus, extremes, oracle
from tests.trust.conftest import Delivered, Fitted, write
from tests.trust.corpus import Case

GROUPS = {
    "whole": [*corpus.shapes(), *corpus.texts(), *corpus.numbers()],
    "layouts": corpus.layouts(),
    "broken": corpus.broken(),
    "extremes": extremes.cases(),
}
CASES = [(group, case) for group, cases in GROUPS.items() for case in cases]


@pytest.fixture(scope="module")
def ended(delivered: Delivered, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """One run for each group, over a folder that holds all its cases."""
    folders = {group: write(cases, tmp_path_factory.mktemp(group)) for group, cases in GROUPS.items()}
    for name in extremes.HIDDEN:
        path = folders["extremes"] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(corpus.plain("hidden", corpus.GOOD))
    return {group: delivered(folder) for group, folder in folders.items()}


@pytest.fixture(scope="module")
def published(ended: dict[str, Ended]) -> dict[str, dict[str, tuple[float, str]]]:
    """ID to prediction and note, as the CSV module reads actions.csv."""
    return {
        group: {row["ID"]: (float(row["prediction"]), row["note"]) for row in run.actions}
        for group, run in ended.items()
    }


@pytest.mark.parametrize(("group", "case"), CASES, ids=[case.name for _, case in CASES])
def test_every_row_is_published_with_its_number_or_rejected_with_its_reason(
    group: str,
    case: Case,
    ended: dict[str, Ended],
    published: dict[str, dict[str, tuple[float, str]]],
    fitted: Fitted,
) -> None:
    assert ended[group].code == 0, ended[group].stderr
    wanted = oracle.expected(case, fitted.line)
    assert {key: published[group].get(key) for key in wanted} == wanted
    rejects = [row for row in ended[group].rejects if row["_source"].endswith(f"/{case.file}")]
    assert {int(row["_record"]): row["_reasons"] for row in rejects} == case.rejects
    assert len(rejects) == len(case.rejects)


@pytest.mark.parametrize("group", GROUPS)
def test_nothing_is_invented(
    group: str, ended: dict[str, Ended], published: dict[str, dict[str, tuple[float, str]]], fitted: Fitted
) -> None:
    wanted = {key for case in GROUPS[group] for key in oracle.expected(case, fitted.line)}
    assert set(published[group]) == wanted
    assert len(ended[group].actions) == len(wanted)
    assert ended[group].summary["rows_rejected"] == sum(len(case.rejects) for case in GROUPS[group])


def test_a_hidden_file_is_passed_over_and_named(ended: dict[str, Ended]) -> None:
    notes = [note for note in ended["extremes"].package["notes"] if note.startswith("passed over hidden file ")]
    assert {note[note.index("/extremes") :].split("/", 2)[2] for note in notes} == set(extremes.HIDDEN)
    assert len(notes) == len(extremes.HIDDEN)
