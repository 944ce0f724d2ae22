"""Nights on an S3 that can be made to fail: a bucket with model, input and yesterday's run, and what holds after a fault."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import boto3
import pytest
from botocore.retries.standard import ExponentialBackoff
from pyspark.sql import SparkSession

from tests.conftest import XS, XS_POLICY
from tests.support import hadoop
from tests.support.runs import Ended, Score
from tests.support.serving import Store
from tests.support.store import SLOW_SECONDS

YESTERDAY, TODAY = "2026-11-21", "2026-11-22"
ROWS = 1500
# wide enough for a file of more than 5 MiB, which goes up in parts
POLICY = {**XS_POLICY, "columns": {**XS_POLICY["columns"], "long": "repeat(id, 900)"}}  # type: ignore[dict-item]
LINES = [f"{n:05d},{float(n)},keep,{f'{n:05d}' * 900}\n" for n in range(ROWS)]
HEADER = "id,x,action,long\n"


@dataclass
class Night:
    """An output in a bucket, with yesterday's run, and a store that can be made to fail."""

    client: Any
    server: Store
    bucket: str
    output: str
    run: Score

    def fails(self, on: str, do: Any, times: Optional[int]) -> None:
        """From now on the store does `do` on requests that fit `on`, which may name the output as OUT."""
        self.server.log.write_text("")
        rule = {"on": on.replace("OUT", self.output), "do": do, "times": times}
        self.server.faults.write_text(json.dumps([rule]))

    def mends(self) -> int:
        """The store is well again; returns how many requests it has failed."""
        self.server.faults.write_text("[]")
        return self.server.log.read_text().count('"fault": ') - self.server.log.read_text().count('"fault": null')

    def sent_again(self) -> set[str]:
        """The methods of the requests that came again while the slow store still sat on them."""
        sat_on: dict[tuple[str, str, str], float] = {}
        methods: set[str] = set()
        for line in self.server.log.read_text().splitlines():
            told = json.loads(line)
            request = (told["method"], told["path"], told["query"])
            if told["fault"] == "slow":
                sat_on[request] = told["at"] + SLOW_SECONDS
            elif told["at"] < sat_on.get(request, 0):
                methods.add(told["method"])
        return methods

    def get(self, key: str) -> bytes:
        """The bytes of an object of the output."""
        data: bytes = self.client.get_object(Bucket=self.bucket, Key=f"{self.output}/{key}")["Body"].read()
        return data

    def objects(self) -> list[str]:
        """What is in the output."""
        prefix = f"{self.output}/"
        listed = self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return [item["Key"].removeprefix(prefix) for item in listed]

    def holds(self, newest: str) -> None:
        """Every run that has a manifest reads whole, and latest.json names `newest`."""
        for key in self.objects():
            folder, _, name = key.rpartition("/")
            if name == "datapackage.json":
                for resource in json.loads(self.get(key))["resources"]:
                    data = self.get(f"{folder}/{resource['path']}")
                    assert resource["hash"] == "sha256:" + hashlib.sha256(data).hexdigest()
        assert f"{YESTERDAY}/datapackage.json" in self.objects()
        assert json.loads(self.get("latest.json"))["run_id"] == newest

    def has_published(self, ended: Ended) -> None:
        """Tonight's file has just tonight's rows, and nothing is left that costs money: no upload, no staging, no lock."""
        assert ended.code == 0, ended.stderr
        self.holds(TODAY)
        header, *lines = self.get(f"{TODAY}/actions.csv").decode().splitlines(keepends=True)
        assert header == HEADER
        assert sorted(lines) == LINES
        uploads = self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        assert [upload["Key"] for upload in uploads if upload["Key"].startswith(self.output)] == []
        assert [key for key in self.objects() if not key.startswith(("2026-", "latest.json"))] == []


@pytest.fixture(scope="module")
def impatient(spark: SparkSession) -> Iterator[None]:
    """A passing fault needs a second attempt, a lasting one is to end soon: the settings that an operator has for it."""
    quick = {"attempts.maximum": "1", "retry.limit": "2", "retry.throttle.limit": "2"}
    quick.update({"retry.interval": "10ms", "retry.throttle.interval": "10ms", "connection.timeout": "4000"})
    named = {f"fs.s3a.{name}": value for name, value in quick.items()}
    with hadoop.settings(spark, named), pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_MAX_ATTEMPTS", "3")
        patched.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.02)  # botocore waits up to 1, 2, 4 s
        yield


@pytest.fixture(scope="module")
def bucket(
    impatient: None,
    store_process: Store,
    spark: SparkSession,
    plain_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> str:
    """A bucket with model, schema, policy, tonight's input, and yesterday's run in `yesterday/`."""
    name = "nights-" + hashlib.sha256(request.module.__name__.encode()).hexdigest()[:20]
    folder = tmp_path_factory.mktemp("nights")
    with pytest.MonkeyPatch.context() as patched:
        for variable, value in store_process.env.items():
            patched.setenv(variable, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        for path in plain_model.rglob("*"):
            if path.is_file() and not path.name.endswith(".crc"):
                client.upload_file(str(path), name, f"model/{path.relative_to(plain_model)}")
        for key, content in (("schema.json", XS), ("policy.json", POLICY)):
            client.put_object(Bucket=name, Key=key, Body=json.dumps(content).encode())
        rows = "id,x\n" + "".join(f"{n:05d},{n}\n" for n in range(ROWS))
        client.put_object(Bucket=name, Key="in/a.csv", Body=rows.encode())
        (folder / "in.csv").write_text("id,x\na,1\n")
        uris = {each: f"s3://{name}/{each}" for each in ("model", "schema.json", "policy.json")}
        options = {each.split(".")[0]: uri for each, uri in uris.items()}
        yesterday = Score(folder, {**options, "output": f"s3://{name}/yesterday"})
        assert yesterday(input=folder / "in.csv", run_date=YESTERDAY).code == 0
    return name


@pytest.fixture
def night(
    store: Any, store_process: Store, bucket: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Night]:
    """A night of its own, with a copy of yesterday's run in its output."""
    output = "out-" + hashlib.sha256(request.node.name.encode()).hexdigest()[:20]
    for item in store.list_objects_v2(Bucket=bucket, Prefix="yesterday/")["Contents"]:
        key = item["Key"]
        store.copy_object(Bucket=bucket, Key=key.replace("yesterday", output, 1), CopySource=f"{bucket}/{key}")
    root = f"s3://{bucket}"
    uris = {"model": f"{root}/model", "schema": f"{root}/schema.json", "policy": f"{root}/policy.json"}
    options = {**uris, "input": f"{root}/in", "output": f"{root}/{output}", "run_date": TODAY}
    made = Night(store, store_process, bucket, output, Score(tmp_path, options))
    made.mends()
    yield made
    made.mends()
