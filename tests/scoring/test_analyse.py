"""A schema's patterns, before the first row is read."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.runs import Score


def patterned(pattern: str) -> dict[str, Any]:
    """A schema whose id has to match `pattern`."""
    fields = [{"name": "id", "constraints": {"pattern": pattern}}, {"name": "x", "type": "number"}]
    return {"fields": fields, "primaryKey": "id"}


def test_a_pattern_may_end_in_a_comment_if_a_line_break_ends_that(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,x\na,1\nab,1\nB,1\n")
    ended = plain(input=tmp_path / "in.csv", schema=patterned("(?x) [a-z] # one letter"))
    assert ended.code == 2
    assert "pattern '(?x) [a-z] # one letter' does not compile in Java" in ended.error
    assert "write a line break behind its last comment" in ended.error
    ended = plain(input=tmp_path / "in.csv", schema=patterned("(?x) [a-z] # one letter\n"), max_rejects=2)
    assert ended.code == 0, ended.stderr
    assert ended.reasons == dict.fromkeys((3, 4), "constraint-error:id")
    ended = plain(input=tmp_path / "in.csv", schema=patterned("\\Qa"))
    assert ended.code == 2
    assert ended.error.endswith("or \\E behind its last \\Q")


def test_a_pattern_that_java_alone_knows_is_taken(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,x\nÄb.,1\nab1.,1\na.b,1\n", encoding="utf-8")
    ended = plain(input=tmp_path / "in.csv", schema=patterned(r"(?<name>\p{L}+)\Q.\E"), max_rejects=2)
    assert ended.code == 0, ended.stderr
    assert ended.reasons == dict.fromkeys((3, 4), "constraint-error:id")


@pytest.mark.parametrize("pattern", ["(", "(?P<letter>a)"])
def test_a_pattern_that_java_does_not_know_is_refused(pattern: str, plain: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,x\na,1\n")
    ended = plain(input=tmp_path / "in.csv", schema=patterned(pattern), dry_run=True)
    assert ended.code == 2
    assert f"{pattern!r} does not compile in Java" in ended.error
    assert ended.error.endswith("correct it")
