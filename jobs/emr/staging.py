"""The staging prefix: what is uploaded, once, under the name of its own contents; and small JSON records beside it."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from botocore.exceptions import ClientError

from jobs.errors import SubmissionError

MISSING = {"404", "NoSuchKey", "NotFound", "NoSuchBucket"}
DENIED = {"403", "AccessDenied", "Forbidden"}
LOST_RACE = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}


def split(uri: str) -> tuple[str, str]:
    """`s3://bucket/key` as bucket and key; also takes s3a:// and the s3n:// that EMR still answers with."""
    bucket, _, key = uri.partition("://")[2].partition("/")
    return bucket, key


def code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


class Store:
    """S3 with the few verbs the launcher needs. `owner` is the account every bucket must belong to, where given."""

    def __init__(self, s3: Any, *, owner: str | None = None) -> None:
        self._s3 = s3
        self._owner = {"ExpectedBucketOwner": owner} if owner else {}

    def read(self, uri: str) -> bytes:
        """The object's bytes. FileNotFoundError, PermissionError."""
        bucket, key = split(uri)
        try:
            body: bytes = self._s3.get_object(Bucket=bucket, Key=key, **self._owner)["Body"].read()
        except ClientError as error:
            raise _as_os_error(error, uri) from error
        return body

    def read_json(self, uri: str) -> tuple[dict[str, Any], str] | None:
        """The object parsed and its ETag; None where there is none."""
        bucket, key = split(uri)
        try:
            answer = self._s3.get_object(Bucket=bucket, Key=key, **self._owner)
        except ClientError as error:
            if code(error) in MISSING:
                return None
            raise _as_os_error(error, uri) from error
        return json.loads(answer["Body"].read()), answer["ETag"]

    def list(self, prefix_uri: str) -> list[str]:
        """The URIs of all objects under a prefix, sorted."""
        return sorted(self.versions(prefix_uri))

    def versions(self, prefix_uri: str) -> dict[str, str]:
        """All objects under a prefix: their URIs, each with the ETag of its contents."""
        bucket, prefix = split(prefix_uri)
        found: dict[str, str] = {}
        try:
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **self._owner):
                found |= {f"s3://{bucket}/{item['Key']}": item["ETag"] for item in page.get("Contents", ())}
        except ClientError as error:
            raise _as_os_error(error, prefix_uri) from error
        return found

    def put_json(
        self, uri: str, value: dict[str, Any], *, if_etag: str | None = None, if_absent: bool = False
    ) -> str | None:
        """Writes a small record; its ETag, or None when the condition does not hold: somebody else was first."""
        bucket, key = split(uri)
        condition = {"IfNoneMatch": "*"} if if_absent else {"IfMatch": if_etag} if if_etag else {}
        body = json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"
        try:
            answer = self._s3.put_object(
                Bucket=bucket, Key=key, Body=body, ContentType="application/json", **condition, **self._owner
            )
        except ClientError as error:
            if code(error) in LOST_RACE:
                return None
            raise _as_os_error(error, uri) from error
        return str(answer["ETag"])

    def upload_once(self, uri: str, body: bytes) -> bool:
        """Uploads under a content-addressed name unless it is there already; True when bytes were sent.

        What is there is never overwritten; an object of another length at that name is an error.
        """
        bucket, key = split(uri)
        try:
            there = self._s3.head_object(Bucket=bucket, Key=key, **self._owner)["ContentLength"]
        except ClientError as error:
            if code(error) not in MISSING:
                raise SubmissionError(_refusal(error, uri)) from error
        else:
            if there != len(body):
                raise SubmissionError(
                    f"{uri} has {there} bytes, not {len(body)}: it was changed; delete it and try again"
                )
            return False
        checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
        try:
            self._s3.put_object(
                Bucket=bucket, Key=key, Body=body, ChecksumSHA256=checksum, IfNoneMatch="*", **self._owner
            )
        except ClientError as error:
            if code(error) in LOST_RACE:
                return False
            raise SubmissionError(_refusal(error, uri)) from error
        return True


def _refusal(error: ClientError, uri: str) -> str:
    return (
        f"cannot use the staging prefix {uri}: {error}; check that the bucket exists, belongs to the account given "
        "with --expected-bucket-owner, and that docs/iam lets you write there"
    )


def _as_os_error(error: ClientError, uri: str) -> OSError | ClientError:
    if code(error) in MISSING:
        return FileNotFoundError(f"there is no {uri}")
    if code(error) in DENIED:
        return PermissionError(f"S3 does not let you read {uri}")
    return error
