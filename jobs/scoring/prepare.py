"""A row's way as far as no model is needed: what is read, each record judged, and what is counted of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession

from jobs.contract.agreed import Agreed
from jobs.contract.policy import Policy
from jobs.contract.table_schema import TableSchema
from jobs.scoring import aside, decide, read, shapes, splits, unique, validate
from jobs.scoring.counters import SUSPECTS, Amounts, Counters

# records that are no valid rows, by kind
HEADERS, BLANKS, OPEN_QUOTES, INVALID = "headers", "blanks", "open_quotes", "invalid"


@dataclass(frozen=True)
class Prepared:
    """`records` of `source` as `validate.judged` gives them, with what is looked at when they are counted.

    With `sets_aside` the lines that are no valid rows are set aside. `gathered` are aggregates of all keys, where those are few. With
    `exact` records have their place besides, so that the first of several with one key can be told.
    """

    source: read.Source
    records: DataFrame
    sets_aside: bool
    gathered: list[Column]
    exact: bool

    @property
    def spark(self) -> SparkSession:
        """The session of its frames."""
        return self.records.sparkSession

    @property
    def place(self) -> tuple[str, ...]:
        """The columns that tell a record's place, as far as it can be told."""
        return read.PLACE if self.exact else (read.ROW_ID,) if self.numbered else ()

    def suspects(self, seen: Counters, schema: TableSchema) -> dict[unique.Key, unique.Suspects]:
        """For each key those of which it is not known yet, and not proven by what was `seen`, that they do not come twice."""
        if self.exact or self.source.repeated:
            return {}
        if self.gathered:
            return unique.among_gathered(self.spark, seen.observed(), schema)
        return unique.suspects(self.spark, self.source, schema) if seen.totals().get(SUSPECTS, 1) else {}

    @property
    def numbered(self) -> bool:
        """Whether it can be told by their numbers which rows a model has left out."""
        return not (self.exact or self.source.broken)

    def placed(self, records: DataFrame) -> DataFrame:
        """All the records, still in their order, with their `place`."""
        return records.selectExpr("*", read.NUMBERED) if self.numbered else records

    def counters(self, kinds: dict[str, str], last: str, amounts: Amounts) -> Counters:
        """What counts the records that are no valid rows by kind, and those that are by `kinds`, with `amounts` of them.

        Those whose key may be another's are `SUSPECTS` besides: none of them, and no key comes twice. Without that count there is no
        such proof.
        """
        codes = {HEADERS: shapes.HEADER, BLANKS: shapes.BLANK, OPEN_QUOTES: shapes.OPEN_QUOTE}
        all_kinds = {kind: f"{shapes.SHAPE} = {code}" for kind, code in codes.items()}
        all_kinds |= {INVALID: f"NOT {validate.VALID}", **kinds}
        watched = unique.WATCHED if unique.WATCHED in self.records.columns else None
        beside, more = None, list[Column]()
        if self.sets_aside:
            beside = aside.empty(self.spark)
            more = [aside.noted(self.spark, beside, aside.most(self.source))]
        return Counters(
            self.spark,
            all_kinds,
            last,
            amounts=amounts,
            ascending=watched,
            beside=beside,
            more=more,
            aggregates=self.gathered,
        )


def look(spark: SparkSession, layouts: read.Layouts, parquet: list[str], agreed: Agreed, *, size: int) -> Prepared:
    """Look at the files, `size` bytes in all, as far as it goes without reading them."""
    return prepared(spark, read.source(spark, layouts, parquet, agreed.schema, size=size), agreed)


def prepared(spark: SparkSession, source: read.Source, agreed: Agreed, *, exact: bool = False) -> Prepared:
    """The records of `source`, with a proof on the way that no key comes twice where one is to be had."""
    # of more files a task reads several, and nobody could tell which of them a line is of
    set_aside = read.one_scan(source) and source.csv_files <= splits.FEW_FILES and not exact
    keep = read.PLACE if exact else (shapes.LINE,) if set_aside else ()
    rows = read.rows(spark, source, agreed.schema, keep=keep)
    # lines too wide to be cut at their commas are too much for one method in any case: more steps would only make it slower
    parted = not exact and read.by_bytes(source)
    records = validate.judged(rows, agreed.schema, agreed.needs.required, keep=keep, parted=parted)
    gathered = list[Column]()
    if source.repeated:
        records = unique.marked(records, source.repeated)
    if set_aside:
        records = aside.watched(records)
    if not (exact or source.repeated):
        records, gathered = unique.watched(records, source, agreed.schema)
    return Prepared(source, records, set_aside, gathered, exact)


@dataclass(frozen=True)
class Totals:
    """How many of the records of `source` there are of each kind, by the `counts` of one pass."""

    source: read.Source
    counts: Mapping[str, int]
    policy: Policy

    @property
    def rows_read(self) -> int:
        """All that have to be accounted for."""
        return sum(self.source.records.values()) - self.counts[BLANKS] - self.source.csv_files

    @property
    def actions(self) -> dict[str, int]:
        """Rows for each action."""
        return {name: self.counts[f"action_{i}"] for i, name in enumerate(self.policy.action_names)}

    @property
    def published(self) -> int:
        """Those with an action."""
        return sum(self.actions.values())

    @property
    def without_action(self) -> int:
        """Those that the policy leaves out."""
        return self.counts[decide.WITHOUT_ACTION]

    @property
    def left_out(self) -> int:
        """All others, each of which has to be rejected with a reason."""
        return self.rows_read - self.published - self.without_action

    @property
    def left_out_late(self) -> bool:
        """Whether the model, or what follows it, left rows out: those that are no valid rows do not explain all."""
        repeated_headers = self.counts[HEADERS] - self.source.csv_files
        return self.left_out > repeated_headers + self.counts[OPEN_QUOTES] + self.counts[INVALID]
