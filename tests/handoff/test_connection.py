"""How S3 is reached: by the standard AWS environment, by boto3 and by Spark alike."""

import os
import re
from pathlib import Path
from unittest import mock

import boto3
import pytest
from botocore.credentials import Credentials

from jobs.errors import UsageError
from jobs.handoff import connection
from jobs.handoff.storage import before_spark, storage_for
from jobs.scoring import session


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"AWS_PROFILE": "nosuch"}, "The config profile (nosuch) could not be found"),
        ({"AWS_ENDPOINT_URL": "localhost:9"}, "Invalid endpoint: localhost:9"),
        ({"AWS_ACCESS_KEY_ID": "k"}, "AWS_SECRET_ACCESS_KEY"),
        ({"AWS_REGION": "eu central"}, "eu central"),
    ],
)
def test_settings_that_cannot_be_are_told(
    environment: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone(environment, tmp_path, monkeypatch)
    with pytest.raises(UsageError, match=re.escape(said)) as refused:
        before_spark(["s3://bucket/in"]), storage_for("s3://bucket/in")
    assert str(refused.value).endswith("AWS_ENDPOINT_URL and the credentials in the environment")


def alone(environment: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all that tells how S3 is reached only this, and the region of a profile."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    (folder / "aws").write_text("[default]\nregion = cn-north-1\n")
    for name, value in {"AWS_CONFIG_FILE": str(folder / "aws"), **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


def test_s3a_gets_a_profiles_session_but_not_the_keys_of_a_machines_own_role(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone({"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "keys")}, tmp_path, monkeypatch)
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    (tmp_path / "keys").write_text("[default]\n" + "".join(f"{name} = my-{name}\n" for name in names))
    for empty in ({}, dict.fromkeys(map(str.upper, names), "")):  # as boto3, where a variable is empty
        with mock.patch.dict(os.environ, empty):
            before_spark(["s3://bucket/in"])
            assert [os.environ[name.upper()] for name in names] == [f"my-{name}" for name in names]
    # they lapse within hours, and S3A finds and renews them by itself; and where there are none, it says so
    for role in (*(Credentials("k", "s", "t", method=f"{whose}-role") for whose in ("iam", "container")), None):
        with monkeypatch.context() as patched, mock.patch.dict(os.environ):
            patched.setattr(boto3.Session, "get_credentials", lambda _, found=role: found)
            before_spark(["s3://bucket/in"])
            assert not [name for name in names if name.upper() in os.environ]


def test_a_store_of_ones_own_is_asked_by_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        alone({name: "http://store:9000"}, tmp_path, monkeypatch)
        client, settings = connection.client(), session._s3_settings()
        assert client.meta.endpoint_url == "http://store:9000"
        assert client.meta.config.s3["addressing_style"] == "path"
        assert settings["spark.hadoop.fs.s3a.endpoint"] == "http://store:9000"
        assert settings["spark.hadoop.fs.s3a.path.style.access"] == "true"


def test_the_region_is_that_of_the_environment_or_of_the_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone({"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}, tmp_path, monkeypatch)
    assert connection.client().meta.region_name == "cn-north-1"
    with mock.patch.dict(os.environ):
        before_spark(["s3://bucket/in"])
        assert os.environ["AWS_REGION"] == "cn-north-1"  # for S3A
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert connection.client().meta.region_name == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert connection.client().meta.region_name == "eu-west-3"
