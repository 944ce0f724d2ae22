"""Each scored row gets the first action whose rule fits; budgets are exact, ties broken by the primary key."""

from typing import Optional

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.contract.policy import Policy, Rule
from jobs.scoring import predict, sql, unseen

ACTION = "action"
OUT = "_na_out "
FEEDS = "_na_feeds"
TALLIED = (predict.FAULT, unseen.KEPT)


def actions(scored: DataFrame, policy: Policy, primary_key: tuple[str, ...]) -> DataFrame:
    """`scored` with a column `action`, null where the policy leaves the row out, or the model's output is at fault.

    Runs one job for each budget.
    """
    fine = f"{predict.FAULT} IS NULL"
    conditions: list[tuple[str, str]] = []
    for rule in policy.rules:
        fits = f"coalesce({sql.bracketed(rule.when)}, false)"
        if rule.limit is not None:
            taken = " OR ".join(f"({condition})" for condition, _ in conditions) or "false"
            candidates = scored.where(f"{fine} AND ({fits}) AND NOT ({taken})")
            fits = f"({fits}) AND ({_within_budget(candidates, rule, primary_key)})"
        conditions.append((fits, rule.action))
    otherwise = sql.text(policy.otherwise) if policy.otherwise is not None else "CAST(NULL AS string)"
    cases = " ".join(f"WHEN {condition} THEN {sql.text(action)}" for condition, action in conditions)
    action = f"CASE WHEN NOT ({fine}) THEN NULL {cases} ELSE {otherwise} END"
    return scored.withColumn(ACTION, F.expr(action))


def lines(decided: DataFrame, policy: Policy) -> DataFrame:
    """The policy's columns as `line`, one RFC 4180 record a row, beside `ACTION` and what else is tallied."""
    values = decided.select(*published(policy), F.col(ACTION).alias(f"_na_{ACTION}"), *TALLIED)
    kinds = {field.name: field.dataType for field in values.schema.fields}
    cells = [csv_cell(OUT + name, kinds[OUT + name], policy.escape_formulas) for name in policy.columns]
    # only text can have a line feed in it: cheaper than to search every line
    texts = [sql.name(OUT + name) for name in policy.columns if isinstance(kinds[OUT + name], T.StringType)]
    feeds = " + ".join(f"coalesce({_feeds(text)}, 0)" for text in texts) or "0"
    return values.selectExpr(f"{csv_line(cells)} AS line", f"{feeds} AS {FEEDS}", f"_na_{ACTION} AS {ACTION}", *TALLIED)


def published(policy: Policy) -> list[Column]:
    """The policy's columns, each under its name with `OUT` in front, since it may be that of an input column."""
    return [F.expr(expression).alias(OUT + name) for name, expression in policy.columns.items()]


def csv_line(cells: list[str]) -> str:
    """SQL for one line of `cells`. A lone empty cell is quoted, or its row would read as a blank line."""
    if len(cells) == 1:
        return f"coalesce(nullif({cells[0]}, ''), '\"\"')"
    return "concat(" + ", ',', ".join(cells) + ")"


def csv_cell(column: str, kind: T.DataType, escape_formulas: bool = False) -> str:
    """SQL for one cell as text: quoted where RFC 4180 asks for it, null as nothing."""
    name = sql.name(column)
    if isinstance(kind, T.TimestampType):
        value = f"concat(replace(CAST({name} AS string), ' ', 'T'), 'Z')"
    elif isinstance(kind, T.StringType):
        value = _quoted(_harmless(name) if escape_formulas else name)
    else:
        value = f"CAST({name} AS string)"
    return f"coalesce({value}, '')"


def _quoted(value: str) -> str:
    special = " OR ".join(f"contains({value}, '{char}')" for char in ('\\"', ",", "\\n", "\\r"))
    return f"CASE WHEN {special} THEN concat('\"', replace({value}, '\"', '\"\"'), '\"') ELSE {value} END"


def _harmless(value: str) -> str:
    """A spreadsheet runs a cell that starts so; an apostrophe in front makes it text."""
    starts = " OR ".join(f"startswith({value}, '{char}')" for char in ("=", "+", "-", "@", "\\t", "\\r"))
    return f"CASE WHEN {starts} THEN concat('\\'', {value}) ELSE {value} END"


def _within_budget(candidates: DataFrame, rule: Rule, primary_key: tuple[str, ...]) -> str:
    """SQL that is true for the first `limit` candidates by the rule's order, ties going to the smaller primary key."""
    if not rule.limit:
        return "false"
    expression, descending = rule.order
    order = [(sql.bracketed(expression), descending), *((sql.name(column), False) for column in primary_key)]
    keys = [F.expr(term).alias(f"k{i}") for i, (term, _) in enumerate(order)]
    ranked = candidates.select(*keys).orderBy(
        *(F.desc_nulls_last(f"k{i}") if down else F.asc_nulls_last(f"k{i}") for i, (_, down) in enumerate(order))
    )
    last = ranked.offset(rule.limit - 1).limit(1).select(*(F.col(key).cast("string") for key in ranked.columns)).first()
    if last is None:  # fewer candidates than the budget allows
        return "true"
    bounds = [(term, down, value, kind) for (term, down), value, (_, kind) in zip(order, last, ranked.dtypes)]
    return _not_after(bounds)


def _not_after(bounds: list[tuple[str, bool, Optional[str], str]]) -> str:
    """SQL for "sorts at or before the bounds", term by term, nulls last."""
    if not bounds:
        return "true"
    (term, descending, value, kind), rest = bounds[0], bounds[1:]
    if value is None:
        before, same = f"({term}) IS NOT NULL", f"({term}) IS NULL"
    else:
        bound = f"CAST({sql.text(value)} AS {kind})"
        before = f"coalesce(({term}) {'>' if descending else '<'} {bound}, false)"
        same = f"({term}) <=> {bound}"
    return f"({before} OR ({same} AND {_not_after(rest)}))"


def tallied(lines: DataFrame, policy: Policy, counts: Observation) -> DataFrame:
    """The lines that are published, as one column; `counts` learns how many rows and bytes, and how many of each action."""
    chosen = f"{ACTION} IS NOT NULL"
    tallies = {
        "published": chosen,
        "unseen": unseen.KEPT,
        "without_action": f"{predict.FAULT} IS NULL AND NOT ({chosen})",
        **{f"action_{i}": f"{ACTION} <=> {sql.text(name)}" for i, name in enumerate(policy.action_names)},
    }
    counted = [F.expr(f"sum(CASE WHEN {test} THEN 1 ELSE 0 END)").alias(name) for name, test in tallies.items()]
    return lines.observe(counts, *counted, *text_sizes(chosen, FEEDS)).where(chosen).select("line")


def text_sizes(chosen: str = "true", feeds: str = "") -> list[Column]:
    """Aggregates over column `line`: how many, the bytes and the line feeds that the chosen lines make as text.

    `feeds` is SQL for how many line feeds stand inside a line, where that is known.
    """
    return [
        F.expr(f"sum(CASE WHEN {chosen} THEN 1 ELSE 0 END)").alias("lines"),
        F.expr(f"sum(CASE WHEN {chosen} THEN octet_length(line) + 1 ELSE 0 END)").alias("bytes"),
        F.expr(f"sum(CASE WHEN {chosen} THEN 1 + {feeds or _feeds('line')} ELSE 0 END)").alias("line_feeds"),
    ]


def _feeds(text: str) -> str:
    return f"CASE WHEN contains({text}, '\\n') THEN length({text}) - length(replace({text}, '\\n', '')) ELSE 0 END"
