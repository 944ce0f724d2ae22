"""Projections that stand behind one another, for Spark to analyse together (docs/decisions/0018)."""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import Optional, Union

from pyspark.sql import Column, DataFrame

from jobs.scoring import sql
from jobs.scoring.calls import analysed, calls_of

SqlOrColumn = Union[str, Column]


class Chain:
    """A frame and projections on it that are yet to be analysed, in one go: each by itself would take twice as long.

    With every projection that is put on a frame Spark looks through all that the frame is made of.
    """

    def __init__(self, frame: DataFrame) -> None:
        """Of `frame` as it is."""
        self.calls, self.columns, self._plan = calls_of(frame.sparkSession), frame.columns, analysed(frame)

    def also(self, columns: Mapping[str, SqlOrColumn]) -> "Chain":
        """Further columns, by name, or others in the place of those of that name. None is made of another of them."""
        return self.only([name for name in self.columns if name not in columns], columns)

    def without(self, columns: Iterable[str]) -> "Chain":
        """All but those of the names."""
        gone = set(columns)
        return self.only([name for name in self.columns if name not in gone])

    def only(self, kept: Sequence[str], columns: Optional[Mapping[str, SqlOrColumn]] = None) -> "Chain":
        """Those that are `kept`, by name, and further ones."""
        new = columns or {}
        further = copy(self)
        further.columns = [*kept, *new]
        named = [f"{it} AS {sql.name(name)}" if isinstance(it, str) else it.alias(name) for name, it in new.items()]
        names = ["*"] if kept == self.columns else map(sql.name, kept)
        further._plan = self.calls.projected(self._plan, [*names, *named])
        return further

    def frame(self) -> DataFrame:
        """All of it, analysed."""
        return self.calls.frame(self._plan)
