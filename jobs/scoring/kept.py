"""What a model has to keep: the rows it is given as they are."""

from collections.abc import Callable, Iterator
from typing import Any

from pyspark.ml import PipelineModel
from pyspark.sql import DataFrame

from jobs.errors import ModelMismatchError
from jobs.scoring import predict

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
    "Offset",
    "Sample",
    "Union",
}
# what the frame that a model is checked with begins with
BEGINNING = "Range"
Plan = Any


def check(given: DataFrame, scored: DataFrame, model: PipelineModel) -> None:
    """Hold `scored`, what the model made of `given`, to that. Raises `ModelMismatchError` naming the stage."""
    _check_rows(analysed(scored), given, model)


def _check_rows(plan: Plan, given: DataFrame, model: PipelineModel) -> None:
    kinds = _kinds(plan)
    # ALS looks its factors up by two joins, which match once; of any other join that cannot be known
    lookups = 2 * len(predict.of_kind(model, "ALSModel"))
    other = [kind for kind in kinds if kind in OTHER_ROWS] + [kind for kind in kinds if kind == "Join"][lookups:]
    if other:
        raise ModelMismatchError(
            f"the model makes other rows of those it is given ({other[0]}), so none could be accounted for; "
            f"a SQLTransformer must keep rows as they are, and give the same each time"
        )
    if BEGINNING not in kinds:  # the counters would be no part of what is written, and waited for in vain
        stage = _first(given, model, lambda plan: BEGINNING not in _kinds(plan))
        raise ModelMismatchError(
            f"stage {stage} of the model makes a new frame (as by .rdd, toPandas, collect or a checkpoint), so that counted rows "
            f"cannot be followed through it; let it add columns to the frame it is given, by functions or UDFs"
        )


def _first(given: DataFrame, model: PipelineModel, at_fault: Callable[[Plan], bool]) -> str:
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


def analysed(frame: DataFrame) -> Plan:
    """The frame's plan as Spark has analysed it."""
    java: Any = frame
    return java._jdf.queryExecution().analyzed()


def plan_nodes(plan: Plan) -> Iterator[Plan]:
    """A plan's steps, the last first."""
    yield plan
    for child in _items(plan.children()):
        yield from plan_nodes(child)


def nodes(expressions: Any) -> Iterator[Any]:
    """Expressions, each with those inside it behind it."""
    for node in _items(expressions):
        yield node
        yield from nodes(node.children())


def _items(sequence: Any) -> Iterator[Any]:
    for index in range(sequence.size()):
        yield sequence.apply(index)
