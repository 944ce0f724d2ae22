"""One Spark, one S3 server and one fitted model a test process."""

import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import pytest
from botocore.loaders import create_loader
from pyspark.sql import SparkSession

from jobs import train
from jobs.scoring import session
from tests.support import models, serving
from tests.support.runs import ARCHIVE, HOUSING, PLAIN_POLICY, REPO, S3_JARS, SCHEMA, SPARK, Score
from tests.support.serving import Store

# programs that are started shall buffer what they say, as they do for a user
os.environ.pop("PYTHONUNBUFFERED", None)
# the files that take longest: begun first, so that at the end no worker is left alone with one of them
LONGEST = [
    "test_stages",
    "test_whole_way",
    "test_corpus",
    "test_s3_faults",
    "test_front_door",
    "test_faults",
    "test_compiled",
    "test_refusals",
    "test_properties",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, the others as they come."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture(scope="session", autouse=True)
def descriptions() -> Iterator[None]:
    """boto3's descriptions of the services are looked for and read once, not anew by each of the tests' hundreds of sessions."""
    with mock.patch("botocore.session.create_loader", functools.cache(create_loader)):
        yield


@pytest.fixture(scope="session")
def store_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The S3 server, a process of its own on a free loopback port."""
    with serving.running(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture
def store(store_process: Store, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A boto3 client of the S3 server, with the environment that leads there."""
    for name, value in store_process.env.items():
        monkeypatch.setenv(name, value)
    return boto3.client("s3")


@pytest.fixture(scope="session")
def spark(store_process: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The one Spark of this process, as the programs start it, able to reach the S3 server too."""
    assert (S3_JARS / ".complete").exists(), f"no S3 jars in {S3_JARS}: run make setup (SPARK={SPARK})"
    # a process of many runs needs more room for compiled code than the JVM gives it without its second compiler
    compiler = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"
    # what lives through a test is small, and so is the machine: the heap is collected by the thread that fills it
    memory = "-XX:+UseSerialGC -XX:InitialHeapSize=1g -XX:NewSize=256m"
    # as ./submit.sh does; named in vain, the JVM would go without its own
    archive = f"-XX:SharedArchiveFile={ARCHIVE}" if ARCHIVE.exists() and ARCHIVE.stat().st_size else ""
    settings = {
        "spark.driver.extraJavaOptions": f'"-Dlog4j2.configurationFile=file:{REPO}/jobs/log4j2.properties" {compiler} {memory} {archive}',
        "spark.ui.enabled": "false",
        "spark.driver.memory": "1g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        # the nights of one file are much alike: what one has compiled, all may use, however many there are
        "spark.sql.codegen.cache.maxEntries": "3000",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
    }
    conf = " ".join(f"--conf '{name}={value}'" for name, value in settings.items())
    # a task that fails is tried again, as on a cluster
    submit = {"PYSPARK_SUBMIT_ARGS": f"--master 'local[2,4]' {conf} pyspark-shell", "PYSPARK_PYTHON": sys.executable}
    # the workers import the project as they do behind ./submit.sh
    paths = {"SPARK_DIST_CLASSPATH": f"{S3_JARS}/*", "PYTHONPATH": str(REPO)}
    with mock.patch.dict(os.environ, {**store_process.env, **submit, **paths}):
        started = session.start(app_name="tests", schemes={"s3"})
    started.sparkContext.setLogLevel("ERROR")
    yield started
    started.stop()


@pytest.fixture(scope="session")
def housing_model(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The worked example, fitted and saved by `train` from the seed data."""
    model = tmp_path_factory.mktemp("models") / "housing"
    train.train(
        input=str(HOUSING / "train.csv"), schema=str(SCHEMA), label="medv", features="crim,zn,indus", model=str(model)
    )
    return model


@pytest.fixture
def score(housing_model: Path, tmp_path: Path) -> Score:
    """`score` of the housing model in this process; without further options every row gets the action `keep`."""
    return Score(tmp_path, {"model": housing_model, "schema": SCHEMA, "policy": PLAIN_POLICY})


XS = {"fields": [{"name": "id", "type": "string"}, {"name": "x", "type": "number"}], "primaryKey": "id"}
XS_POLICY = {"actions": [], "otherwise": "keep", "columns": {"id": "id", "x": "x", "action": "action"}}


@pytest.fixture(scope="session")
def plain_model(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline whose prediction is the input column x."""
    return models.sql_model("SELECT *, x AS prediction FROM __THIS__", tmp_path_factory.mktemp("models") / "plain")


@pytest.fixture
def plain(plain_model: Path, tmp_path: Path) -> Score:
    """`score` of the plain model over columns id (the key) and x, in this process."""
    return Score(tmp_path, {"model": plain_model, "schema": XS, "policy": XS_POLICY})
