"""A saved pipeline as the job applies it: its stages one after the other, each by the object that the JVM has of it.

PySpark's own objects are for stages that are Python classes alone. It would have to know the class of every other stage, imports
NumPy and more for that, and copies a stage's settings with each transform (docs/decisions/0027).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from pyspark.sql import DataFrame, SparkSession

from jobs.contract.saved_model import SavedModel
from jobs.errors import ModelMismatchError
from jobs.scoring import failures, guards, session
from jobs.scoring.calls import java_class

ML = "org.apache.spark.ml"
VALIDATIONS = (f"{ML}.tuning.CrossValidatorModel", f"{ML}.tuning.TrainValidationSplitModel")
LACKING = "ClassNotFoundException: "


class JvmStage(NamedTuple):
    """A stage of any class on Spark's class path, and its `kind`: that class, of Spark's own without the package."""

    java: Any
    kind: str
    owner: Any = None  # PySpark's object, if there is one: when that goes, the JVM's does too

    @property
    def uid(self) -> str:
        """The name it was saved with."""
        return str(self.java.uid())

    def transform(self, frame: DataFrame) -> DataFrame:
        """What the stage makes of `frame`."""
        given: Any = frame
        return DataFrame(self.java.transform(given._jdf), frame.sparkSession)


class Kept(NamedTuple):
    """In front of a stage that would fail on some rows: those that it can take, by a condition in SQL."""

    uid: str
    condition: str

    def transform(self, frame: DataFrame) -> DataFrame:
        """The rows of `frame` for which the condition is true."""
        return frame.where(self.condition)


class Model:
    """The stages of a pipeline, those of pipelines within it in their place."""

    def __init__(self, stages: Iterable[Any]) -> None:
        """Of stages that each have a `uid` and `transform`: `JvmStage`, `Kept`, or an object of a Python class."""
        self.stages: Sequence[Any] = tuple(stages)
        self.jvm_stages: Sequence[JvmStage] = tuple(
            each for stage in self.stages if isinstance(stage, JvmStage) for each in _parts(stage)
        )

    def transform(self, frame: DataFrame) -> DataFrame:
        """What the stages make of `frame`, one after the other."""
        for stage in self.stages:
            frame = stage.transform(frame)
        return frame

    def of_kind(self, kind: str) -> list[Any]:
        """The Java objects of the stages whose class is `kind`, as `StringIndexerModel`."""
        return [stage.java for stage in self.jvm_stages if stage.kind == kind]


def load_model(spark: SparkSession, uri: str, saved: SavedModel) -> Model:
    """The saved pipeline, set so that a row a stage cannot take is left out, and then accounted for, not fatal.

    Raises `ModelMismatchError`.
    """
    try:
        model = Model(_loaded(spark, session.exactly(uri), saved))
    except Exception as error:  # whatever a file that is damaged or missing makes Spark say
        if failures.is_the_stores(error):
            raise
        said = failures.cause(error)
        cure = "cannot be loaded: {}; copy it again, or fit and save it again"
        if LACKING in said:
            cure = "cannot be loaded: {}; ship the jar that has this class: --spark '--jars FILE.jar'"
        raise ModelMismatchError(f"model {uri}: {cure.format(said)}") from error
    for stage in model.jvm_stages:
        # `skip` gives every other row exactly what `error` gives, and `error` would end the whole run
        if _has_skip(stage.java) and stage.java.getHandleInvalid() == "error":
            stage.java.set(stage.java.getParam("handleInvalid"), "skip")
    return Model(_guarded(model))


def _loaded(spark: SparkSession, path: str, saved: SavedModel) -> Iterator[Any]:
    if not saved.in_python:
        return _of_java(java_class(spark, f"{ML}.PipelineModel").read().load(path))
    from pyspark.ml import PipelineModel

    return of_python(PipelineModel.load(path))


def _of_java(java: Any, owner: Any = None) -> Iterator[JvmStage]:
    """The stage, or those that it stands for: a pipeline's are applied one by one, and of a validation the best model is."""
    name = str(java.getClass().getName())
    if name == f"{ML}.PipelineModel":
        for stage in java.stages():
            yield from _of_java(stage, owner)
    elif name in VALIDATIONS:
        yield from _of_java(java.bestModel(), owner)
    else:
        yield JvmStage(java, name.rpartition(".")[-1] if name.startswith(f"{ML}.") else name, owner)


def of_python(stage: Any) -> Iterator[Any]:
    """The same of an object of PySpark's or of a class of the user's own."""
    from pyspark.ml import PipelineModel
    from pyspark.ml.tuning import CrossValidatorModel, TrainValidationSplitModel
    from pyspark.ml.wrapper import JavaTransformer

    if isinstance(stage, PipelineModel):
        for inner in stage.stages:
            yield from of_python(inner)
    elif isinstance(stage, (CrossValidatorModel, TrainValidationSplitModel)):
        yield from of_python(stage.bestModel)
    elif getattr(type(stage), "_transform", None) is JavaTransformer._transform:
        yield from _of_java(stage._java_obj, stage)
    else:
        yield stage


def _parts(stage: JvmStage) -> Iterator[JvmStage]:
    """The stage, or those inside it, should it be an R formula."""
    return _of_java(stage.java.pipelineModel()) if stage.kind == "RFormulaModel" else iter((stage,))


def _has_skip(java: Any) -> bool:
    return java.hasParam("handleInvalid") and bool(java.getParam("handleInvalid").isValid().apply("skip"))


def _guarded(model: Model) -> Iterator[Any]:
    # what an indexer gives is one of the categories by itself, and need not be looked at twice
    indexed = {name for java in model.of_kind("StringIndexerModel") for name in guards.columns(java, "output")}
    for stage in model.stages:
        tests = list(guards.tests(stage.java, stage.kind, indexed)) if isinstance(stage, JvmStage) else []
        if tests:
            yield Kept(f"before {stage.uid}", " AND ".join(tests))
        yield stage
