"""A bucket for each test."""

import hashlib
from typing import Any

import pytest

from tests.support.serving import Store


@pytest.fixture
def bucket(store: Any, request: pytest.FixtureRequest) -> str:
    """A bucket for one test."""
    name = "b" + hashlib.sha256(request.node.name.encode()).hexdigest()[:20]
    store.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return name


@pytest.fixture
def began(store_process: Store) -> int:
    """How far the server's log of requests was when the test began."""
    return store_process.log.stat().st_size
