"""The fitted line that the corpus is scored with, and runs over a folder of cases, on a disk and on S3."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Union

import boto3
import pyspark
import pytest
from pyspark.ml import Pipeline
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import SparkSession

from tests.support.runs import Ended, Score
from tests.support.serving import Store
from tests.trust.corpus import FEATURES, Case
from tests.trust.oracle import Line, expected
from tests.trust.s3_night import bucket, impatient, night  # noqa: F401

SCHEMA: dict[str, Any] = {
    "fields": [
        {"name": "ID", "type": "string"},
        *({"name": name, "type": "number"} for name in FEATURES),
        {"name": "note", "type": "string"},
    ],
    "primaryKey": "ID",
}
POLICY: dict[str, Any] = {
    "actions": [],
    "otherwise": "keep",
    "columns": {"ID": "ID", "prediction": "prediction", "note": "note"},
}


@dataclass(frozen=True)
class Fitted:
    """A saved model and the line that was fitted."""

    path: Path
    line: Line


@pytest.fixture(scope="session")
def fitted(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """A linear regression over the features, saved; its coefficients as plain numbers."""
    rows = [(0.5 * n, float(n % 7), 3.0 + n % 5, 20.0 + n * 0.37 - (n % 3)) for n in range(40)]
    data = spark.createDataFrame(rows, [*FEATURES, "y"])
    stages: list[Any] = [
        VectorAssembler(inputCols=list(FEATURES), outputCol="features"),
        LinearRegression(labelCol="y"),
    ]
    model = Pipeline(stages=stages).fit(data)
    path = tmp_path_factory.mktemp("trust") / "line"
    model.write().save(str(path))
    last: Any = model.stages[-1]
    # Spark 4 starts the JVM with its vector module, which fuses whole vectors only: three features are none
    fused = pyspark.__version__.startswith("3.")
    return Fitted(path, Line(tuple(map(float, last.coefficients)), float(last.intercept), fused))


def write(cases: Iterable[Case], folder: Path) -> Path:
    """The files of `cases` below `folder`."""
    for case in cases:
        path = folder / case.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(case.data)
    return folder


Night = Callable[..., Ended]


@pytest.fixture(scope="session")
def nights(fitted: Fitted, tmp_path_factory: pytest.TempPathFactory) -> Night:
    """Runs of `score` with the fitted line, each with an output of its own; every reject is allowed unless said."""

    def run(source: Union[Path, str, list[str]], **options: Any) -> Ended:
        defaults = {"model": fitted.path, "schema": SCHEMA, "policy": POLICY, "max_rejects": "100%"}
        return Score(tmp_path_factory.mktemp("night"), defaults)(input=source, **options)

    return run


Delivered = Callable[..., Ended]


@pytest.fixture(scope="module", params=["disk", "s3"])
def delivered(
    request: pytest.FixtureRequest, nights: Night, store_process: Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Delivered]:
    """A night over a local folder, first as it lies on the disk, then delivered to a bucket and published there."""
    if request.param == "disk":
        yield nights
        return
    its = tmp_path_factory.mktemp("bucket").name

    def run(folder: Path, **options: Any) -> Ended:
        store = boto3.client("s3")
        at = folder.name
        for path in (path for path in folder.rglob("*") if path.is_file()):
            store.put_object(Bucket=its, Key=f"in/{at}/{path.relative_to(folder)}", Body=path.read_bytes())
        ended = nights(f"s3://{its}/in/{at}", output=f"s3://{its}/out/{at}", **options)
        return replace(ended, output=downloaded(store, its, f"out/{at}/", tmp_path_factory.mktemp("published")))

    with pytest.MonkeyPatch.context() as patched:
        for name, value in store_process.env.items():
            patched.setenv(name, value)
        where = {"LocationConstraint": store_process.env["AWS_REGION"]}
        boto3.client("s3").create_bucket(Bucket=its, CreateBucketConfiguration=where)
        yield run


def downloaded(store: Any, name: str, prefix: str, folder: Path) -> Path:
    """What lies in the bucket `name` below `prefix`, in `folder`."""
    for page in store.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=prefix):
        for item in page.get("Contents", []):
            path = folder / item["Key"].removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(store.get_object(Bucket=name, Key=item["Key"])["Body"].read())
    return folder


def holds_every_row(ended: Ended, case: Case, fitted: Fitted) -> None:
    """Hold a run to one case of its input: each row is published with the oracle's number, or rejected with its reason."""
    assert ended.code == 0, ended.stderr
    wanted = expected(case, fitted.line)
    published = {row["ID"]: (float(row["prediction"]), row["note"]) for row in ended.actions}
    assert {key: published.get(key) for key in wanted} == wanted
    rejects = [row for row in ended.rejects if row["_source"].endswith(f"/{case.file}")]
    assert {int(row["_record"]): row["_reasons"] for row in rejects} == case.rejects
    assert len(rejects) == len(case.rejects)
