"""What a saved pipeline says of itself: its stages and their columns, read from metadata alone, without Spark."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.errors import ModelMismatchError

INPUT_PARAMS = ("inputCol", "inputCols", "featuresCol", "userCol", "itemCol")
OUTPUT_PARAMS = (
    *("outputCol", "outputCols", "predictionCol", "probabilityCol", "rawPredictionCol", "leafCol"),
    *("linkPredictionCol", "quantilesCol", "topicDistributionCol"),
)
# what has chosen one of several models, its `bestModel`
VALIDATIONS = ("CrossValidatorModel", "TrainValidationSplitModel")
# a folder that holds the stages another stands for; all else below a stage is part of it, or what it was fitted by, as `estimator`
NESTED = r"(stages/[^/]+|bestModel|pipelineModel)/"
# those in the JVM, and those of which Python has an object alone, as of a one-versus-rest
SPARKS = ("org.apache.spark.", "pyspark.ml.")


@dataclass(frozen=True)
class Stage:
    """One fitted stage: `params` are its defaults overlaid with what was set."""

    class_name: str
    uid: str
    params: dict[str, Any]
    is_python: bool = False  # it runs in Python, and its module must be importable

    @property
    def kind(self) -> str:
        """The class without its package, as `VectorAssembler`, of Spark's own; of any other `class` and all of its name."""
        return f"class {self.class_name}" if self.is_own else self.class_name.rsplit(".", 1)[-1]

    @property
    def is_own(self) -> bool:
        """Whether it is none of Spark's stages, by its package, so that it may do anything."""
        return not self.class_name.startswith(SPARKS)

    @property
    def handle_invalid(self) -> str:
        """`error`, `skip`, `keep`, or empty where the stage has no such setting."""
        return str(self.params.get("handleInvalid", ""))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns it reads, as far as its parameters say."""
        skipped = ("featuresCol",) if self.kind.startswith("RFormula") else ()
        return _columns(self.params, [name for name in INPUT_PARAMS if name not in skipped])

    @property
    def outputs(self) -> tuple[str, ...]:
        """The columns it adds, as far as its parameters say."""
        # a stage of several columns has the default name of its one column all the same
        unused = ("outputCol",) if "outputCols" in self.params else ()
        return _columns(self.params, [name for name in OUTPUT_PARAMS if name not in unused])


@dataclass(frozen=True)
class SavedModel:
    """A saved `PipelineModel`: the Spark that wrote it and its stages, nested ones in the order they run."""

    spark_version: str
    stages: tuple[Stage, ...]
    # PySpark saved it, and has to load it: there is a stage of which Python has an object alone
    in_python: bool = False
    # where each of its own stages lies below it, and that stage's class
    folders: tuple[tuple[str, str], ...] = ()

    @property
    def lenient_stages(self) -> tuple[str, ...]:
        """Stages that drop rows (`skip`) or let a missing value through (`keep`), in words."""
        named = [s for s in self.stages if s.handle_invalid in ("skip", "keep")]
        return tuple(f"{s.kind}({', '.join(s.inputs)}) handleInvalid={s.handle_invalid}" for s in named)


def is_metadata(path: str) -> bool:
    """Whether `path`, relative to the model, is a file that describes a stage."""
    folder, _, name = path.rpartition("/")
    return name.startswith("part-") and (folder == "metadata" or folder.endswith("/metadata"))


def parse(files: Mapping[str, str], where: str) -> SavedModel:
    """Read the model's metadata files (relative path to text). Raises `ModelMismatchError`."""
    described: dict[str, dict[str, Any]] = {}
    for path, text in files.items():
        folder = path.rpartition("metadata/")[0]
        if text.strip() and described.setdefault(folder, entry := _json(text, where)) is not entry:
            raise ModelMismatchError(
                f"model {where}: {folder}metadata holds two models; delete the folder and copy one of them again"
            )
    root = described.get("")
    if root is None:
        raise ModelMismatchError(f"model {where}: no metadata/ in it; save a PipelineModel there with model.save(…)")
    if not str(root.get("class", "")).endswith(".PipelineModel"):
        cure = "fit it inside a Pipeline"
        if str(root.get("class", "")).endswith(VALIDATIONS):
            cure = "save its bestModel, if that is a pipeline, or fit it inside one"
        raise ModelMismatchError(f"model {where}: is a {root.get('class')}, not a PipelineModel; {cure} and save that")
    in_python = root.get("paramMap", {}).get("language") == "Python"
    try:
        stages = tuple(_flatten("", root, described, in_python))
        own = tuple((path, str(described[path].get("class", ""))) for path in _inside("", root, described))
    except KeyError as error:
        raise ModelMismatchError(
            f"model {where}: its stage {error.args[0]} is not there; copy it again, or fit and save it again"
        ) from error
    return SavedModel(str(root.get("sparkVersion", "")), stages, in_python, own)


def _flatten(folder: str, entry: Mapping[str, Any], described: Mapping[str, Any], in_python: bool) -> Iterator[Stage]:
    """The stages under `folder` in running order; a stage that stands for others is replaced by them."""
    children = _inside(folder, entry, described)
    if children:
        for path in children:
            yield from _flatten(path, described[path], described, in_python)
    elif folder:
        params = {**entry.get("defaultParamMap", {}), **entry.get("paramMap", {})}
        name = str(entry.get("class", ""))
        # PySpark imports the class of each stage of a pipeline that it has saved itself
        yield Stage(name, str(entry.get("uid", "")), params, in_python and not name.startswith(SPARKS[0]))


def _inside(folder: str, entry: Mapping[str, Any], described: Mapping[str, Any]) -> list[str]:
    """The folders in `folder` of the stages that it stands for, in running order. Raises `KeyError` with the name of one that is not there.

    A pipeline says which it has: there may be others, of a model that was copied over.
    """
    uids = entry.get("paramMap", {}).get("stageUids")
    if uids is None:
        return sorted((path for path in described if path != folder and _parent(path) == folder), key=_position)
    # as Spark numbers them
    digits = len(str(len(uids)))
    found = [f"{folder}stages/{number:0{digits}d}_{uid}/" for number, uid in enumerate(uids)]
    if lacking := [uid for uid, path in zip(uids, found) if path not in described]:
        raise KeyError(lacking[0])
    return found


def _parent(path: str) -> str:
    """The folder of the stage that holds the one at `path`: `stages/0_a/` is held by the root."""
    return re.sub(f"{NESTED}$", "", path)


def _position(path: str) -> tuple[int, str]:
    name = path.rstrip("/").rsplit("/", 1)[-1]
    number = name.split("_", 1)[0]
    return (int(number) if number.isdigit() else 0, name)


def _columns(params: Mapping[str, Any], names: Iterable[str]) -> tuple[str, ...]:
    found: list[str] = []
    for name in names:
        value = params.get(name)
        found += [value] if isinstance(value, str) and value else value if isinstance(value, list) else []
    return tuple(found)


def _json(text: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text.splitlines()[0])
    except ValueError as error:
        raise ModelMismatchError(f"model {where}: its metadata is not JSON ({error}); save it again") from error
    if not isinstance(found, dict):
        raise ModelMismatchError(f"model {where}: its metadata is not a JSON object; save it again")
    return found
