"""How this driver reaches S3, with what patience, and what the store's refusals mean."""

import functools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, Optional

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from s3transfer.exceptions import RetriesExceededError, S3DownloadFailedError, S3ValidationError

from jobs.errors import UsageError

NOT_THERE = ("404", "NoSuchKey", "NotFound", "NoSuchBucket", "NoSuchUpload")
DENIED = ("401", "403", "AccessDenied", "AllAccessDisabled", "InvalidAccessKeyId", "SignatureDoesNotMatch")
# a store that is away for good is given up after some minutes, not hours; AWS_MAX_ATTEMPTS says otherwise
ATTEMPTS, CONNECT_SECONDS, READ_SECONDS = 8, 10, 60


def client() -> Any:
    """A client by the standard AWS environment: `AWS_ENDPOINT_URL`, `AWS_REGION`, the credentials chain.

    Raises `UsageError` if that names what is not there or cannot be.
    """
    # a store behind AWS_ENDPOINT_URL seldom resolves bucket.host
    style: Literal["path", "auto"] = "path" if _custom_endpoint() else "auto"
    retries: Any = {"mode": "standard"}
    if "AWS_MAX_ATTEMPTS" not in os.environ:
        retries["total_max_attempts"] = ATTEMPTS
    config = Config(
        retries=retries,
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=16,  # as many as multipart sends and reads at once
        s3={"addressing_style": style},
    )
    with _settings_told():
        return boto3.client("s3", region_name=_region() or "us-east-1", config=config)


def _region() -> Optional[str]:
    """That of the environment or of the profile."""
    named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return named or _of_profile(os.environ.get("AWS_PROFILE"), os.environ.get("AWS_CONFIG_FILE"))


@functools.cache  # a client is made for each question, and to read a profile takes longer than that
def _of_profile(_: Optional[str], __: Optional[str]) -> Optional[str]:
    return boto3.Session().region_name


def ranges() -> TransferConfig:
    """How a file is read back: by ranges of 8 MiB, six side by side, as S3 gives one connection some 90 MB/s."""
    # a threshold of 1, for ranges always: without them a download that breaks off and begins again tells its first bytes twice
    return TransferConfig(
        multipart_threshold=1,
        max_concurrency=6,
        io_chunksize=1 << 20,
        max_io_queue=16,  # a gigabyte could wait to be hashed, by boto3's own 1,000
        num_download_attempts=ATTEMPTS,
        preferred_transfer_client="classic",
    )


def share_credentials() -> None:
    """Let Spark, started after this, use the region and credentials that boto3 finds, as a profile's, which S3A does not read."""
    with _settings_told():
        if region := _region():
            os.environ["AWS_REGION"] = region
        if os.environ.get("AWS_ACCESS_KEY_ID"):
            return
        found = boto3.Session().get_credentials()
    # an instance's own role is found by S3A itself, and renewed
    if found is None or found.method in ("iam-role", "container-role"):
        return
    frozen = found.get_frozen_credentials()
    named = {
        "AWS_ACCESS_KEY_ID": frozen.access_key,
        "AWS_SECRET_ACCESS_KEY": frozen.secret_key,
        "AWS_SESSION_TOKEN": frozen.token,
    }
    os.environ.update({name: value for name, value in named.items() if value})


@contextmanager
def _settings_told() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ValueError) as error:
        raise UsageError(
            f"S3: {error}; check AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL and the credentials in the environment"
        ) from error


@contextmanager
def told(uri: str) -> Iterator[None]:
    """The store's refusals as the errors that a disk would give."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in NOT_THERE:
            raise FileNotFoundError(f"{uri}: not there ({code})") from error
        if code in DENIED:
            raise PermissionError(f"{uri}: {error}") from error
        answered = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        raise (ConnectionError if answered >= 500 else OSError)(f"{uri}: {error}") from error
    except (HTTPClientError, IncompleteReadError) as error:
        raise ConnectionError(f"{uri}: {error}") from error
    except RetriesExceededError as error:  # of a download: what befell the last of them
        raise ConnectionError(f"{uri}: {error.last_exception}") from error
    except (S3DownloadFailedError, S3ValidationError) as error:  # it is another object by now
        raise OSError(f"{uri}: {error}") from error
    except BotoCoreError as error:  # no credentials
        raise OSError(f"{uri}: {error}") from error


def split(uri: str) -> tuple[str, str]:
    """Bucket and key."""
    bucket, _, key = re.sub(r"^s3a?://", "", uri, flags=re.IGNORECASE).partition("/")
    return bucket, key


def _custom_endpoint() -> bool:
    return bool(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"))
