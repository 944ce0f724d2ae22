"""What an EMR release label stands for, and whether a saved model fits it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.emr.staging import split
from jobs.errors import ModelMismatchError, UsageError

if TYPE_CHECKING:
    from jobs.emr.staging import Store

# The newest boto3 that still runs on Python 3.9; it runs on 3.11 as well, so one set serves every release.
JOB_PACKAGES = (
    "boto3==1.42.97",
    "botocore==1.42.97",
    "jmespath==1.1.0",
    "python-dateutil==2.9.0.post0",
    "s3transfer==0.16.1",
    "six==1.17.0",
    "urllib3==2.6.3",
)


@dataclass(frozen=True)
class Release:
    """`spark` and `python` are versions like "3.5" and "3.9"; `python_command` is None where the default serves."""

    label: str
    spark: str
    python: str
    python_command: str | None = None


def from_label(label: str) -> Release:
    """Knows emr-7.x and emr-spark-8.x, with or without a suffix such as -latest; UsageError for any other."""
    if re.match(r"emr-7\.\d+", label):
        return Release(label, spark="3.5", python="3.9")
    if re.match(r"emr-spark-8\.\d+", label):
        return Release(label, spark="4.0", python="3.11", python_command="python3.11")
    raise UsageError(
        f"release {label!r} is not one this job runs on; use emr-7.x (Spark 3.5) or emr-spark-8.x (Spark 4.0)"
    )


def check_model(uri: str, *, release: Release, store: Store) -> str | None:
    """Refuses a model saved by another major version of Spark, before anything is started.

    Returns a note where this launcher may not read the model, although the job's own role may; None when it fits.
    """
    prefix = f"s3://{'/'.join(split(uri))}".rstrip("/") + "/metadata/"
    try:
        parts = [name for name in store.list(prefix) if name.rpartition("/")[2].startswith("part-")]
        if not parts:
            raise ModelMismatchError(f"no saved model at {uri}: {prefix} has no part file; check --model")
        metadata = json.loads(store.read(parts[0]).splitlines()[0])
    except PermissionError as error:
        return f"the model was not looked at before launch ({error}); the job itself will check it"
    except FileNotFoundError as error:
        raise ModelMismatchError(f"no saved model at {uri}: {error}; check --model") from error
    except (ValueError, IndexError) as error:
        raise ModelMismatchError(f"the model's metadata in {prefix} is not readable: {error}") from error
    saved_by = str(metadata.get("sparkVersion", ""))
    if saved_by.split(".")[0] != release.spark.split(".")[0]:
        raise ModelMismatchError(
            f"the model {uri} was saved by Spark {saved_by or 'unknown'}, but {release.label} runs Spark "
            f"{release.spark}; save it again there, or choose a release with Spark {saved_by.split('.')[0]}"
        )
    return None
