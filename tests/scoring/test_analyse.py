"""A schema's patterns, before the first row is read."""

from pathlib import Path
from typing import Any

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


def test_a_pattern_that_is_python_alone_is_refused(plain: Score, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,x\na,1\n")
    ended = plain(input=tmp_path / "in.csv", schema=patterned("(?P<letter>a)"), dry_run=True)
    assert ended.code == 2
    assert "'(?P<letter>a)' does not compile in Java" in ended.error
    assert ended.error.endswith("correct it")
