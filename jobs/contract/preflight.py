"""Does the saved model fit the schema and this Spark? Answered from metadata, before the first row is read."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from jobs.contract.saved_model import SavedModel, Stage
from jobs.contract.table_schema import TableSchema
from jobs.errors import ModelMismatchError

NUMERIC = ("number", "integer", "boolean")
NUMBERS_ONLY = ("VectorAssembler", "Bucketizer", "ImputerModel", "Binarizer", "ALSModel")
TEXT_ONLY = ("Tokenizer", "RegexTokenizer")
# what takes a missing value without failing: by stage, the settings of handleInvalid under which it does
TAKES_NULL: dict[str, Optional[tuple[str, ...]]] = {
    "FeatureHasher": None,
    "ImputerModel": None,
    "SQLTransformer": None,
    "VectorAssembler": ("skip", "keep"),
    "StringIndexerModel": ("skip", "keep"),
    "Bucketizer": ("skip",),
}
# what gives null for null, so that it is for the stages that read it
PASSES_NULL: dict[str, Optional[tuple[str, ...]]] = {
    "Binarizer": None,
    "Bucketizer": ("keep",),
    "OneHotEncoderModel": None,
}


@dataclass(frozen=True)
class Needs:
    """What the model asks of the input: the columns it reads, and those of them that may not be missing."""

    features: tuple[str, ...]
    required: frozenset[str]
    notes: tuple[str, ...]


def check(model: SavedModel, schema: TableSchema, *, where: str, running_spark: str) -> Needs:
    """Hold the model against the schema. Raises `ModelMismatchError` naming the column or stage and the cure."""
    _check_version(model, where, running_spark)
    for stage in model.stages:
        if stage.is_python:
            _check_importable(stage, where)
    features = _walk(model, schema, where)
    notes = tuple(f"stage {text}" for text in model.lenient_stages)
    required = frozenset(name for name in features if not _may_be_missing(name, model.stages))
    return Needs(features, required, notes)


def _check_version(model: SavedModel, where: str, running: str) -> None:
    saved = model.spark_version
    if saved.split(".")[0] != running.split(".")[0]:
        raise ModelMismatchError(
            f"model {where}: saved by Spark {saved or '(unknown)'}, this is Spark {running}; "
            f"run it on Spark {saved.split('.')[0] or 'of the same major version'}, or fit and save it again"
        )


def _check_importable(stage: Stage, where: str) -> None:
    module, _, name = stage.class_name.rpartition(".")
    lacking = module
    try:
        if hasattr(importlib.import_module(module), name):
            return
        why = f"module {module!r} has no {name}"
    except ImportError as error:
        lacking = error.name or module
        why = f"no module {error.name!r}" if isinstance(error, ModuleNotFoundError) else str(error)
    except Exception as error:  # whatever a module of the user's own says as it is read
        why = f"importing {module!r} fails: {type(error).__name__}: {error}"
    raise ModelMismatchError(
        f"model {where}: stage {stage.uid} is the Python class {stage.class_name}, which cannot be imported here ({why}); "
        f"ship its module: --py-files {(lacking or 'module').split('.')[0]}.py"
    )


def _walk(model: SavedModel, schema: TableSchema, where: str) -> tuple[str, ...]:
    """Follow the columns through the stages; returns the schema columns that any stage reads."""
    available = set(schema.names)
    kinds = {field.name: field.type for field in schema.fields}
    made_from: dict[str, str] = {}  # outputs that cannot be made, by the missing input
    features: dict[str, None] = {}
    anything_goes = False  # after a stage whose outputs its parameters do not tell
    for stage in model.stages:
        lacking = [] if anything_goes else [name for name in stage.inputs if name not in available]
        # StringIndexer passes over an absent column: in a fitted pipeline that is the label's
        if lacking and stage.kind != "StringIndexerModel":
            raise _missing(lacking[0], made_from, stage, schema, where)
        not_made = {output: name for name, output in zip(stage.inputs, stage.outputs) if name in lacking}
        made_from.update(not_made)
        made = [output for output in stage.outputs if output not in not_made]
        for name in stage.inputs:
            if name in kinds:
                features[name] = None
                _check_type(name, kinds[name], stage, where)
        taken = {name.lower(): name for name in kinds}
        clash = [name for name in made if name.lower() in taken]
        if clash:
            there = taken[clash[0].lower()]
            spelled = "" if there == clash[0] else f" as {there!r} (Spark does not look at case)"
            raise ModelMismatchError(
                f"model {where}: {stage.kind} writes column {clash[0]!r}, which the schema has too{spelled}; "
                f"leave it out of the schema (extra columns in the files are ignored)"
            )
        available.update(made)
        anything_goes |= stage.kind == "SQLTransformer" or stage.is_own or stage.kind.startswith("RFormula")
    return tuple(features)


def _missing(name: str, made_from: dict[str, str], stage: Stage, schema: TableSchema, where: str) -> ModelMismatchError:
    source = made_from.get(name, name)
    alike = [other for other in schema.names if other.lower() == source.lower()]
    hint = f"the schema has {alike[0]!r}: case matters" if alike else f"add {source!r} to the schema"
    via = f" (made from {source!r})" if source != name else ""
    return ModelMismatchError(
        f"model {where}: {stage.kind} needs column {name!r}{via}, which the schema does not have; {hint}"
    )


def _check_type(name: str, kind: str, stage: Stage, where: str) -> None:
    wanted = NUMERIC if stage.kind in NUMBERS_ONLY else ("string",) if stage.kind in TEXT_ONLY else ()
    if wanted and kind not in wanted:
        raise ModelMismatchError(
            f"model {where}: {stage.kind} needs column {name!r} as {' or '.join(wanted)}, the schema says {kind!r}; "
            f"correct its type in the schema"
        )


def _may_be_missing(name: str, stages: Sequence[Stage]) -> bool:
    """Whether every one of `stages` that reads the column takes null, or passes it on to those behind it that do."""
    for number, stage in enumerate(stages):
        if name not in stage.inputs or _is_set(stage, TAKES_NULL):
            continue
        behind = stages[number + 1 :]
        read = [output for output in stage.outputs if any(output in other.inputs for other in behind)]
        if not (_is_set(stage, PASSES_NULL) and read and all(_may_be_missing(output, behind) for output in read)):
            return False
    return True


def _is_set(stage: Stage, kinds: Mapping[str, Optional[tuple[str, ...]]]) -> bool:
    """Whether the stage is one of `kinds`, with a setting of handleInvalid that is listed there, if any are."""
    return stage.kind in kinds and stage.handle_invalid in (kinds[stage.kind] or (stage.handle_invalid,))
