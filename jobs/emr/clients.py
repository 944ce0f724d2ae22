"""The AWS clients, made on first use: the standard environment says where and as whom."""

from __future__ import annotations

import functools
import os
import shlex
from typing import Any

import boto3
from botocore.config import Config

PATIENT = Config(retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=10, read_timeout=60)
# RunJobFlow and AddJobFlowSteps have no client token: a request repeated by the library could run the job twice
ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=10, read_timeout=60)


class Clients:
    """One session and its clients."""

    def __init__(self, *, region: str | None = None, profile: str | None = None) -> None:
        given = (("--region", region), ("--profile", profile))
        self.flags = tuple(word for name, value in given if value for word in (name, value))
        # botocore reads AWS_DEFAULT_REGION alone, and the job AWS_REGION first
        self._session = boto3.Session(region_name=region or os.environ.get("AWS_REGION") or None, profile_name=profile)

    @property
    def events(self) -> Any:
        """botocore's hooks, set before the first client is made; the tests record every call through them."""
        return self._session.events

    @property
    def region(self) -> str:
        """The region the clients call; "" where none is set, and then no client can be made."""
        return self._session.region_name or ""

    def command(self, *words: str) -> str:
        """A command of the AWS CLI, for people, that calls what these clients call."""
        return shlex.join(["aws", *words, *self.flags])

    @functools.cached_property
    def s3(self) -> Any:
        return self._session.client("s3", config=PATIENT)

    @functools.cached_property
    def emr(self) -> Any:
        return self._session.client("emr", config=PATIENT)

    @functools.cached_property
    def emr_once(self) -> Any:
        return self._session.client("emr", config=ONCE)

    @functools.cached_property
    def serverless(self) -> Any:
        return self._session.client("emr-serverless", config=PATIENT)

    @functools.cached_property
    def containers(self) -> Any:
        return self._session.client("emr-containers", config=PATIENT)
