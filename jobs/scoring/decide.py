"""Each scored row gets the first action whose rule fits; budgets are exact, ties broken by the primary key."""

import re
from typing import Optional

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.contract.policy import Policy, Rule
from jobs.scoring import aside, gaps, predict, shapes, sql, unique, unseen, validate
from jobs.scoring.calls import EXPRESSIONS, STRING, calls_of
from jobs.scoring.chain import Chain
from jobs.scoring.counters import Amounts

ACTION = "action"
CHOSEN = "_na_action"
OUT = "_na_out "
FEEDS = "_na_feeds"
NUMBER_OUTPUT = "com.fasterxml.jackson.core.io.NumberOutput"
LINE_BYTES = "octet_length(line) + 1"
PUBLISHED = f"{CHOSEN} IS NOT NULL"
# the same for a filter behind counters: where no row can get an action it would be a constant, for which Spark drops those too
KEPT = f"CASE WHEN spark_partition_id() < 0 THEN true ELSE {PUBLISHED} END"
# how a row that is not published is counted
WITHOUT_ACTION, FAULTY = "without_action", "faulty"
# what is counted besides, as far as it is there
TALLIED = (CHOSEN, predict.FAULT, unseen.KEPT, shapes.SHAPE, validate.VALID, aside.ASIDE, gaps.GAP)


def actions(scored: DataFrame, policy: Policy, primary_key: tuple[str, ...]) -> DataFrame:
    """`scored` with a column `action`, and `CHOSEN`, its number: null where the policy leaves the row out, or there is a fault.

    Runs one job for each budget.
    """
    fine = f"{predict.FAULT} IS NULL"
    conditions: list[tuple[str, str]] = []
    for rule in policy.rules:
        fits = f"coalesce({sql.bracketed(rule.when)}, false)"
        if rule.limit is not None:
            taken = " OR ".join(f"({condition})" for condition, _ in conditions) or "false"
            candidates = validate.fenced(scored).where(f"{fine} AND ({fits}) AND NOT ({taken})")
            fits = f"({fits}) AND ({_within_budget(candidates, rule, primary_key)})"
        conditions.append((fits, rule.action))
    # by number, as numbers are counted faster than names
    number = {name: at for at, name in enumerate(policy.action_names)}
    otherwise = str(number[policy.otherwise]) if policy.otherwise is not None else "NULL"
    cases = " ".join(f"WHEN {condition} THEN {number[action]}" for condition, action in conditions)
    chosen = f"CAST(CASE WHEN NOT ({fine}) THEN NULL {cases} ELSE {otherwise} END AS int)"
    names = " ".join(f"WHEN {at} THEN {sql.text(name)}" for name, at in number.items())
    return Chain(scored).also({CHOSEN: chosen}).also({ACTION: f"CASE {CHOSEN} {names} END"}).frame()


def lines(decided: DataFrame, policy: Policy) -> DataFrame:
    """The policy's columns as `line`, one RFC 4180 record a row, beside what is tallied."""
    tallied = [name for name in decided.columns if name in TALLIED or name.startswith(unique.WATCHED)]
    values = decided.select(*published(policy), *tallied)
    kinds = {field.name: field.dataType for field in values.schema.fields}
    floating = [name for name, kind in kinds.items() if isinstance(kind, (T.DoubleType, T.FloatType))]
    texts_of = {name: _number_text(values, name) for name in floating}
    # what the actions are called is known beforehand
    plain = [OUT + name for name, expression in policy.columns.items() if expression == ACTION and _all_plain(policy)]
    cells = [
        csv_cell(OUT + name, kinds[OUT + name], policy.escape_formulas, OUT + name in plain) for name in policy.columns
    ]
    # only text can have a line feed in it: cheaper than to search every line
    texts = [OUT + name for name in policy.columns if isinstance(kinds[OUT + name], T.StringType)]
    texts = [sql.name(text) for text in texts if text not in plain]
    feeds = " + ".join(f"coalesce({_feeds(text)}, 0)" for text in texts)
    inside = {FEEDS: feeds} if feeds else {}
    return Chain(values).also(texts_of).only(tallied, {"line": csv_line(cells), **inside}).frame()


def published(policy: Policy) -> list[Column]:
    """The policy's columns, each under its name with `OUT` in front, since it may be that of an input column.

    Worked out for the rows that are published only: an expression may fail on what a rejected one holds.
    """
    chosen = F.col(CHOSEN).isNotNull()
    return [F.when(chosen, F.expr(expression)).alias(OUT + name) for name, expression in policy.columns.items()]


def csv_line(cells: list[str]) -> str:
    """SQL for one line of `cells`. A lone empty cell is quoted, or its row would read as a blank line."""
    if len(cells) == 1:
        return f"coalesce(nullif({cells[0]}, ''), '\"\"')"
    return "concat(" + ", ',', ".join(cells) + ")"


def _all_plain(policy: Policy) -> bool:
    """Whether no action's name has to be quoted or made harmless."""
    return all(re.fullmatch(r"\w[\w .-]*", name, re.ASCII) for name in policy.action_names)


def csv_cell(column: str, kind: T.DataType, escape_formulas: bool = False, plain: bool = False) -> str:
    """SQL for one cell as text: quoted where RFC 4180 asks for it, which is nowhere in a `plain` one; null as nothing."""
    name = sql.name(column)
    if isinstance(kind, T.TimestampType):
        value = f"concat(replace(CAST({name} AS string), ' ', 'T'), 'Z')"
    elif isinstance(kind, T.StringType) and not plain:
        value = _quoted(_harmless(name) if escape_formulas else name)
    else:
        value = f"CAST({name} AS string)"
    return f"coalesce({value}, '')"


def _number_text(frame: DataFrame, name: str) -> Column:
    """The floating-point number in the column `name` as the shortest text that reads back as it; empty if there is none."""
    calls = calls_of(frame.sparkSession)
    there = calls.java(f"{EXPRESSIONS}.KnownNotNull")(calls.sql(sql.name(name)))
    # Java 19 and later write it so by themselves; earlier ones take twice the time for what may be a digit more (0016)
    written = calls.static(NUMBER_OUTPUT, "toString", calls.object_of(STRING), there, calls.sql("true"))
    text = calls.column(calls.from_java(written))
    return F.when(F.expr(f"{sql.name(name)} IS NULL"), "").otherwise(text)


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


def kinds(policy: Policy) -> dict[str, str]:
    """The kinds by which rows with an action or a fault are counted; those left are `WITHOUT_ACTION`."""
    return {
        **{f"action_{at}": f"{CHOSEN} = {at}" for at in range(len(policy.action_names))},
        FAULTY: f"{predict.FAULT} IS NOT NULL",
    }


def amounts(lines: DataFrame) -> Amounts:
    """What is added up of the lines that are published, as in `text_sizes`, and of the rows that are `unseen`."""
    wanted = {"bytes": (F.expr(PUBLISHED), LINE_BYTES)}
    if FEEDS in lines.columns:
        wanted["feeds_inside"] = (F.expr(f"{PUBLISHED} AND {FEEDS} > 0"), FEEDS)
    if unseen.KEPT in lines.columns:
        wanted["unseen"] = (F.col(unseen.KEPT), f"CAST({unseen.KEPT} AS bigint)")
    return wanted


def text_sizes() -> Amounts:
    """What is added up of every `line`: the bytes and the line feeds inside that they make as text."""
    return {"bytes": (F.lit(True), LINE_BYTES), "feeds_inside": (F.lit(True), _feeds("line"))}


def _feeds(text: str) -> str:
    return f"CASE WHEN contains({text}, '\\n') THEN length({text}) - length(replace({text}, '\\n', '')) ELSE 0 END"
