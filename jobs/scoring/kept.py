"""What a model has to keep: the rows it is given, their keys, and its values should it be asked again."""

from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any, Optional

from pyspark.sql import DataFrame

from jobs.contract.agreed import Agreed
from jobs.errors import ModelMismatchError
from jobs.scoring import read
from jobs.scoring.calls import analysed, java_class
from jobs.scoring.model import Model

# steps after which there are other rows than before, so that none could be accounted for
OTHER_ROWS = {
    "Aggregate",
    "Deduplicate",
    "Distinct",
    "Except",
    "Expand",
    "Generate",
    "GlobalLimit",
    "Intersect",
    "LateralJoin",
    "LocalLimit",
    "MapGroups",
    "MapPartitions",
    "Offset",
    "Sample",
    "Union",
}
# what the frame that a model is checked with begins with
BEGINNING = "Range"
# stages declare them as not deterministic so that they are called once a row
FUNCTIONS = ("ScalaUDF", "PythonUDF")
BYTES = "bytes that are cast to a string may not be UTF-8; use decode(…, 'UTF-8')"
PATTERNS = "org.apache.spark.sql.catalyst.trees.TreePattern"
Plan = Any


def check(given: DataFrame, scored: DataFrame, model: Model, agreed: Agreed) -> None:
    """Hold `scored`, what the model made of `given`, to all that. Raises `ModelMismatchError` naming the stage or column."""
    plan = analysed(scored)
    _check_rows(plan, given, model)
    _check_keys(plan, given, agreed.schema.keys)
    # no other stage can hold an expression of somebody's own
    if model.of_kind("SQLTransformer") or not model.is_sparks:
        _check_values(plan, given, model)
        _check_expressions(plan, given, model)


def _check_rows(plan: Plan, given: DataFrame, model: Model) -> None:
    kinds = _kinds(plan)
    # ALS looks its factors up by two joins, which match once; of any other join that cannot be known
    lookups = 2 * len(model.of_kind("ALSModel"))
    other = [kind for kind in kinds if kind in OTHER_ROWS] + [kind for kind in kinds if kind == "Join"][lookups:]
    if other:
        raise ModelMismatchError(
            f"the model makes other rows of those it is given ({other[0]}), so none could be accounted for; "
            f"a SQLTransformer or a stage of your own must keep rows as they are, and give the same each time"
        )
    if BEGINNING not in kinds:  # the counters would be no part of what is written, and waited for in vain
        stage = _first(given, model, lambda plan: BEGINNING not in _kinds(plan))
        raise ModelMismatchError(
            f"stage {stage} of the model makes a new DataFrame (by .rdd, toPandas, collect or a checkpoint), so that counted rows "
            f"cannot be followed through it; let it add columns to the DataFrame it is given, by functions or UDFs"
        )


def _check_keys(plan: Plan, given: DataFrame, keys: tuple[tuple[str, ...], ...]) -> None:
    """Keys are looked at as they were read, so they are to be published as they were read."""
    columns, outputs = analysed(given).output(), plan.outputSet()
    for name in dict.fromkeys(name for key in keys for name in key):
        attribute = columns.apply(given.columns.index(name))
        if not outputs.contains(attribute) and not _renamed(plan, name, attribute):
            raise ModelMismatchError(
                f"the model changes the key column {name!r}, so that a key could be published twice; "
                f"give what it makes of it another name"
            )


def _renamed(plan: Plan, name: str, attribute: Any) -> bool:
    """Whether the plan's column `name` is the `attribute` it began with, under one alias after the other."""
    found = next(column for column in items(plan.output()) if column.name() == name)
    for node in plan_nodes(plan):
        aliases = node.projectList() if node.getClass().getSimpleName() == "Project" else None
        for alias in items(aliases) if aliases else ():
            is_alias = alias.getClass().getSimpleName() == "Alias" and alias.exprId().equals(found.exprId())
            if is_alias and alias.child().getClass().getSimpleName() == "AttributeReference":
                found = alias.child()
    return bool(found.exprId().equals(attribute.exprId()))


def _check_values(plan: Plan, given: DataFrame, model: Model) -> None:
    """A second pass, or tomorrow's run of the same date, must give what the first did."""
    patterns: Any = java_class(given.sparkSession, PATTERNS)
    current, subquery, window = patterns.CURRENT_LIKE(), patterns.PLAN_EXPRESSION(), patterns.WINDOW()

    def changing(plan: Plan) -> Optional[str]:
        for node in plan_nodes(plan):
            if node.deterministic() and not node.containsPattern(current):
                continue
            for found in _changing(node.expressions(), current):
                if found.getClass().getSimpleName() not in FUNCTIONS:
                    return str(found.prettyName())
        # sums depend on the order of the rows, and of rows that tie any may come first
        return "a window" if plan.containsPattern(window) else "a sub-query" if plan.containsPattern(subquery) else None

    if name := changing(plan):
        stage = _first(given, model, lambda plan: changing(plan) is not None)
        raise ModelMismatchError(
            f"stage {stage} of the model: {name} is not allowed, as it may give another value each time; "
            f"use deterministic functions of the row's columns"
        )


def _changing(expressions: Any, current: Any) -> Iterator[Any]:
    """The innermost expressions that are not deterministic, or ask for the time or the like."""
    for each in items(expressions):
        if not each.deterministic() or each.containsPattern(current):
            yield from list(_changing(each.children(), current)) or [each]


def _check_expressions(plan: Plan, given: DataFrame, model: Model) -> None:
    if said := _misused(plan, given):
        stage = _first(given, model, lambda plan: _misused(plan, given) is not None)
        raise ModelMismatchError(f"stage {stage} of the model: {said}")


def _misused(plan: Plan, given: DataFrame) -> Optional[str]:
    """What is wrong with an expression that a stage has added to the plan of `given`."""
    began, cast = analysed(given), java_class(given.sparkSession, PATTERNS).CAST()
    first, *others = (began.output().apply(given.columns.index(name)).references() for name in read.PLACE)
    own = reduce(lambda one, other: getattr(one, "$plus$plus")(other), others, first)
    for node in reversed(list(plan_nodes(plan))):
        for each in () if node.fastEquals(began) else items(node.expressions()):
            if each.nodeName() == "AttributeReference":
                continue
            if not each.references().intersect(own).isEmpty():
                if each.nodeName() != "Alias" or each.child().nodeName() != "AttributeReference":
                    return (
                        "* and mapInPandas would give a function the job's own columns too, and so would map of a typed Dataset; "
                        "name the columns you mean"
                    )
                own = getattr(own, "$plus$plus")(each.toAttribute().references())
            if each.containsPattern(cast) and any(map(is_text_of_bytes, nodes(each.children()))):
                return BYTES
    return None


def is_text_of_bytes(expression: Any) -> bool:
    """Whether Spark would take bytes as they are for UTF-8, and so write them."""
    if expression.nodeName() != "Cast" or expression.dataType().typeName() != "string":
        return False
    return bool(expression.child().dataType().typeName() == "binary")


def _first(given: DataFrame, model: Model, at_fault: Callable[[Plan], bool]) -> str:
    """The first stage after which the plan is `at_fault`."""
    frame = given
    for stage in model.stages:
        frame = stage.transform(frame)
        if at_fault(analysed(frame)):
            return str(stage.uid)
    raise AssertionError("no stage is at fault")


def _kinds(plan: Plan) -> list[str]:
    """What its steps are, the last first."""
    return [node.getClass().getSimpleName() for node in plan_nodes(plan)]


def plan_nodes(plan: Plan) -> Iterator[Plan]:
    """A plan's steps, the last first."""
    yield plan
    for child in items(plan.children()):
        yield from plan_nodes(child)


def nodes(expressions: Any) -> Iterator[Any]:
    """Expressions, each with those inside it behind it."""
    for node in items(expressions):
        yield node
        yield from nodes(node.children())


def items(sequence: Any) -> Iterator[Any]:
    """What a Scala sequence holds."""
    for index in range(sequence.size()):
        yield sequence.apply(index)
