"""A saved pipeline as the job applies it: its stages one after the other, each by the object that the JVM has of it.

PySpark's objects are for stages in Python alone. Of every other it would have to know the class, and it copies the settings of each
over the JVM's with every transform (docs/decisions/0027).
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

from pyspark.sql import DataFrame, SparkSession

from jobs.contract.saved_model import VALIDATIONS, SavedModel
from jobs.errors import ModelMismatchError
from jobs.scoring import failures, guards, session
from jobs.scoring.calls import STRING, calls_of, java_class

ML = "org.apache.spark.ml"
AT_ONCE = 8
LACKING = "ClassNotFoundException: "


class JvmStage(NamedTuple):
    """A stage of any class on Spark's class path; its `kind` is that class without its package."""

    java: Any
    kind: str
    is_sparks: bool  # one of Spark's own
    owner: Any = None  # PySpark's object, if there is one: when that goes, the JVM's does too
    parts: Sequence[Any] = ()  # the stages inside it, should it be an R formula

    @property
    def uid(self) -> str:
        """The name it was saved with."""
        return str(self.java.uid())

    def transform(self, frame: DataFrame) -> DataFrame:
        """What the stage makes of `frame`."""
        given: Any = frame
        stage = _passing_over(self, frame)
        for part in self.parts:  # an R formula applies its own indexers, each of one column, which are set in place
            _passing_over(part, frame)
        return DataFrame(stage.transform(given._jdf), frame.sparkSession)


class Kept(NamedTuple):
    """In front of a stage that would fail on some rows: those that it can take, by a condition in SQL."""

    uid: str  # that stage's
    condition: str

    def transform(self, frame: DataFrame) -> DataFrame:
        """The rows of `frame` for which the condition is true."""
        return frame.where(self.condition)


class Model:
    """The stages of a pipeline, those of pipelines within it in their place."""

    def __init__(self, stages: Iterable[Any]) -> None:
        """Of stages that each have a `transform`: `JvmStage`, `Kept`, or an object of a Python class."""
        self.stages: Sequence[Any] = tuple(stages)
        self.jvm_stages: Sequence[JvmStage] = tuple(
            each for stage in self.stages if isinstance(stage, JvmStage) for each in stage.parts or (stage,)
        )

    @property
    def is_sparks(self) -> bool:
        """Whether all stages are Spark's own, in the JVM; any other may do anything."""
        return all(
            isinstance(stage, Kept) or (isinstance(stage, JvmStage) and stage.is_sparks) for stage in self.stages
        )

    def transform(self, frame: DataFrame) -> DataFrame:
        """What the stages make of `frame`, one after the other."""
        for stage in self.stages:
            frame = stage.transform(frame)
        return frame

    def of_kind(self, kind: str) -> list[Any]:
        """The Java objects of Spark's own stages whose class is `kind`, as `StringIndexerModel`."""
        return [stage.java for stage in self.jvm_stages if stage.is_sparks and stage.kind == kind]


def _passing_over(stage: JvmStage, frame: DataFrame) -> Any:
    """The object to apply to `frame`, which may lack columns of an indexer, as the label's.

    Set to `error`, as it was saved, an indexer passes over such a column; to `skip`, it would look there for what to leave out.
    """
    java = stage.java
    if not stage.is_sparks or stage.kind != "StringIndexerModel" or java.getHandleInvalid() != "skip":
        return java
    inputs, columns = guards.columns(java, "input"), frame.columns
    there = [at for at, name in enumerate(inputs) if name in columns]
    if len(there) == len(inputs):
        return java
    if not there:
        return java.set(java.getParam("handleInvalid"), "error")
    calls, labels, outputs = calls_of(frame.sparkSession), java.labelsArray(), guards.columns(java, "output")
    some = java_class(frame.sparkSession, f"{ML}.feature.StringIndexerModel")(
        java.uid(), calls.array_of(STRING, [labels[at] for at in there], 0)
    )
    for name, all_of_them in (("inputCols", inputs), ("outputCols", outputs)):
        some.set(some.getParam(name), calls.array_of(STRING, [all_of_them[at] for at in there]))
    return some.set(some.getParam("handleInvalid"), "skip")


def load_model(spark: SparkSession, uri: str, saved: SavedModel) -> Model:
    """The saved pipeline, set so that a row a stage cannot take is left out, and then accounted for, not fatal.

    Raises `ModelMismatchError`.
    """
    try:
        model = Model(_loaded(spark, uri, saved))
    except Exception as error:  # whatever a file that is damaged or missing makes Spark say
        if failures.is_the_stores(error):
            raise
        said = failures.cause(error)
        cure = "cannot be loaded: {}; copy it again, or fit and save it again"
        if LACKING in said:
            cure = "cannot be loaded: {}; ship the jar that has this class: --spark '--jars FILE.jar'"
        raise ModelMismatchError(f"model {uri}: {cure.format(said)}") from error
    for stage in model.jvm_stages:
        # `skip` gives every other row exactly what `error` gives, and `error` would end the whole run; of others' stages nobody knows
        if stage.is_sparks and _has_skip(stage.java) and stage.java.getHandleInvalid() == "error":
            stage.java.set(stage.java.getParam("handleInvalid"), "skip")
    return Model(_guarded(model))


def _loaded(spark: SparkSession, uri: str, saved: SavedModel) -> list[Any]:
    if saved.in_python:
        from pyspark.ml import PipelineModel

        return list(of_python(spark, PipelineModel.load(session.exactly(uri))))

    def stage(place: tuple[str, str]) -> Any:
        folder, name = place
        calls_of(spark).class_of(name)  # that it is not there is said by its name
        return java_class(spark, name).read().load(session.exactly(f"{uri}/{folder}"))

    # Spark's own reader of a pipeline asks the store for one after the other, and for what describes a stage once more
    loading = ThreadPoolExecutor(AT_ONCE, initializer=session.use, initargs=(spark,))
    try:
        return [each for java in loading.map(stage, saved.folders) for each in _of_java(spark, java)]
    finally:  # one that waits for a store is not waited for after a Ctrl-C
        loading.shutdown(wait=False, cancel_futures=True)


def _of_java(spark: SparkSession, java: Any, owner: Any = None) -> Iterator[JvmStage]:
    """The stage, or those that it stands for: a pipeline's are applied one by one, and of a validation the best model is."""
    # by where its class comes from: others call their packages like Spark's too
    of_class = java.getClass()
    is_sparks, kind = _origin(of_class) == _sparks_jar(spark), str(of_class.getSimpleName())
    if is_sparks and kind == "PipelineModel":
        for stage in java.stages():
            yield from _of_java(spark, stage, owner)
    elif is_sparks and kind in VALIDATIONS:
        yield from _of_java(spark, java.bestModel(), owner)
    else:
        inside = _of_java(spark, java.pipelineModel(), owner) if is_sparks and kind == "RFormulaModel" else ()
        yield JvmStage(java, kind, is_sparks, owner, tuple(inside))


@cache
def _sparks_jar(spark: SparkSession) -> str:
    return _origin(calls_of(spark).class_of(f"{ML}.PipelineModel"))


def _origin(of_class: Any) -> str:
    """The jar that a class was read from; empty if it was made in another way."""
    source = of_class.getProtectionDomain().getCodeSource()
    return str(source.getLocation()) if source else ""


def of_python(spark: SparkSession, stage: Any) -> Iterator[Any]:
    """The same of an object of PySpark's; one of another class may have a way of its own, and is left as it is."""
    from pyspark.ml import PipelineModel
    from pyspark.ml.tuning import CrossValidatorModel, TrainValidationSplitModel
    from pyspark.ml.wrapper import JavaTransformer

    if isinstance(stage, PipelineModel):
        for inner in stage.stages:
            yield from of_python(spark, inner)
    elif isinstance(stage, (CrossValidatorModel, TrainValidationSplitModel)):
        yield from of_python(spark, stage.bestModel)
    elif isinstance(stage, JavaTransformer) and type(stage).__module__.startswith("pyspark.ml."):
        stage._transfer_params_to_java()  # as each of its transforms does
        yield from _of_java(spark, stage._java_obj, stage)
    else:
        yield stage


def _has_skip(java: Any) -> bool:
    return java.hasParam("handleInvalid") and bool(java.getParam("handleInvalid").isValid().apply("skip"))


def _guarded(model: Model) -> Iterator[Any]:
    # what an indexer gives is one of the categories by itself, and need not be looked at twice
    indexed = {name for java in model.of_kind("StringIndexerModel") for name in guards.columns(java, "output")}
    for stage in model.stages:
        sparks = isinstance(stage, JvmStage) and stage.is_sparks
        tests = list(guards.tests(stage.java, stage.kind, indexed)) if sparks else []
        if tests:
            yield Kept(stage.uid, " AND ".join(tests))
        yield stage
