"""Where the input lies: in very many files, and never where the output does."""

from pathlib import Path

import pytest

from tests.trust.conftest import Delivered, Fitted, Night
from tests.trust.corpus import HEADER
from tests.trust.refusals import FINE

MANY_FILES = 10_000


def test_ten_thousand_tiny_files_are_one_delivery(nights: Night, fitted: Fitted, tmp_path: Path) -> None:
    wanted = {}
    for n in range(MANY_FILES):
        path = tmp_path / "in" / f"{n // 500:02}" / f"{n:05}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{HEADER}\nk{n},{n / 8},{n % 11},2.25,n\n")
        wanted[f"k{n}"] = fitted.line.at([n / 8, n % 11, 2.25])
    ended = nights(tmp_path / "in")
    assert ended.code == 0, ended.stderr
    assert {row["ID"]: float(row["prediction"]) for row in ended.actions} == wanted
    assert len(ended.actions) == ended.summary["rows_read"] == MANY_FILES
    assert len(ended.package["inputs"]) == MANY_FILES


def test_a_hundred_tiny_files_of_two_layouts_in_folders_are_one_delivery(
    delivered: Delivered, fitted: Fitted, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("hundred")
    wanted, bad = {}, {}
    for n in range(100):
        name = f"[{n}]{{x,y}}?*" if n % 10 == 3 else str(n)
        path = folder / f"{n % 7}" / f"{n % 3}" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        crim = "x" if n % 40 == 7 else str(n)
        turned = f"{HEADER.replace('ID,crim', 'crim,ID')}\n{crim},k{n},1,2,n\n"
        path.write_text(turned if n % 3 else f"{HEADER}\nk{n},{crim},1,2,n\n")
        if crim == "x":
            bad[str(path.relative_to(folder))] = f"k{n}"
        else:
            wanted[f"k{n}"] = fitted.line.at([n, 1, 2])
    ended = delivered(folder)
    assert ended.code == 0, ended.stderr
    assert {row["ID"]: float(row["prediction"]) for row in ended.actions} == wanted
    assert {row["_source"].split(f"/{folder.name}/")[1]: row["ID"] for row in ended.rejects} == bad
    assert (len(ended.actions), len(ended.rejects)) == (len(wanted), len(bad))


OVERLAPS = [
    ("in", "in"),
    ("in/", "in"),
    ("in", "in/out"),
    ("in", "in/a/b/out"),
    ("in", "other/../in/out"),
    ("link", "in/out"),
    ("in", "link/out"),
    ("*", "in"),
    ("i[n]/*/*.csv", "in"),
    ("in/20??-*-*", "in"),
    ("*/*/actions.csv", "in"),
    ("s3://b/in", "s3a://b/in/out"),
    ("s3a://b/in/", "s3://b/in"),
    ("s3://b", "s3://b/out"),
    ("s3://b/*", "s3://b/out"),
    ("s3://b/*/*.csv", "s3://b"),
]


@pytest.mark.parametrize(("source", "output"), OVERLAPS)
def test_an_output_that_a_later_run_would_read_is_refused(
    source: str, output: str, nights: Night, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to("in")
    (tmp_path / "in" / "a.csv").write_bytes(FINE)
    place = "" if source.startswith("s3") else f"{tmp_path}/"
    ended = nights(f"{place}{source}", output=f"{place}{output}")
    assert ended.code == 2, ended.stderr
    assert "lies in the input" in ended.error
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["a.csv"]


def test_an_output_beside_the_input_or_above_it_is_fine(nights: Night, tmp_path: Path) -> None:
    for name in ("day", "day-out/in", "x/day"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.csv").write_bytes(FINE.replace(b"fine-", name.encode()))
    for source, output in (("day", "day-out"), ("day-out/in", "day-out"), ("*/a.csv", "day"), ("x/*/a*.csv", "x/d")):
        ended = nights(tmp_path / source, output=tmp_path / output, dry_run=True)
        assert ended.code == 0, (source, ended.stderr)
