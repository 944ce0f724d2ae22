"""The whole way of the worked example: the figures that the seed data gives, and one pass over clean input."""

from pathlib import Path

from tests.support.runs import HOUSING, Score, table

# from shared/housing/README.md: IDs 1, 2 and 4 of train.csv
SEED = {"1": 27.714445239256854, "2": 24.859566163416336, "4": 26.74953947801712}


def test_the_saved_model_gives_the_seed_figures_to_the_last_digit(score: Score) -> None:
    ended = score(input=HOUSING / "train.csv")
    assert ended.code == 0, ended.stderr
    found = {row["ID"]: float(row["prediction"]) for row in ended.actions}
    assert {key: found[key] for key in SEED} == SEED
    assert sorted(found) == sorted(row["ID"] for row in table(HOUSING / "train.csv"))


def test_one_single_row_gives_the_first_seed_figure(score: Score, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("ID,crim,zn,indus\n1,0.00632,18.0,2.31\n")
    ended = score(input=tmp_path / "one.csv")
    assert [float(row["prediction"]) for row in ended.actions] == [SEED["1"]]
