"""S3 through boto3: server-side assembly, and writes that a reader sees whole or not at all."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal, Optional

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jobs.handoff.storage import CHUNK, Assembled, FileInfo, has_wildcard, matches

MIN_PART = 5 << 20  # S3 takes no smaller part, except as the last
MAX_COPY = 1 << 30  # well under the 5 GiB that one UploadPartCopy may move
NOT_THERE = ("404", "NoSuchKey", "NotFound", "NoSuchBucket")


class S3Storage:
    """A bucket. No renames: a folder becomes visible when its manifest is written, last."""

    renames_folders = False

    def __init__(self) -> None:
        """Connect by the standard AWS environment: `AWS_ENDPOINT_URL`, `AWS_REGION`, the credentials chain."""
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        # a store behind AWS_ENDPOINT_URL seldom resolves bucket.host
        style: Literal["path", "auto"] = "path" if _custom_endpoint() else "auto"
        config = Config(retries={"mode": "standard", "max_attempts": 8}, s3={"addressing_style": style})
        self.client = boto3.client("s3", region_name=region, config=config)

    def find(self, uri: str) -> list[FileInfo]:
        bucket, key = _split(uri)
        key = key.rstrip("/") if has_wildcard(key) else key
        if has_wildcard(key):
            fixed = re.split(r"[*?\[]", key, maxsplit=1)[0]
            depth = key.count("/")
            below = list(self._objects(bucket, fixed))
            # a glob may name folders, as it does for Spark: what lies below them belongs to it
            named = [f for f in below if matches("/".join(_split(f.uri)[1].split("/")[: depth + 1]), key)]
            return sorted(named, key=lambda file: file.uri)
        folder = key.rstrip("/") + "/" if key else ""
        found = [
            f
            for f in self._objects(bucket, key.rstrip("/"))
            if _split(f.uri)[1] == key or _split(f.uri)[1].startswith(folder)
        ]
        return sorted(found, key=lambda file: file.uri)

    def exists(self, uri: str) -> bool:
        bucket, key = _split(uri)
        folder = key.rstrip("/") + "/" if key else ""
        try:
            with _told(uri):
                below = self.client.list_objects_v2(Bucket=bucket, Prefix=folder, MaxKeys=1).get("KeyCount")
        except FileNotFoundError:
            return False
        return bool(below or self.find(uri))

    def canonical(self, uri: str) -> str:
        return "s3://" + "/".join(_split(uri)).rstrip("/")

    def _objects(self, bucket: str, prefix: str, *, markers: bool = False) -> Iterator[FileInfo]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        with suppress(FileNotFoundError), _told(f"s3://{bucket}/{prefix}"):
            for page in pages:
                for item in page.get("Contents", []):
                    if markers or not item["Key"].endswith("/"):
                        yield FileInfo(f"s3://{bucket}/{item['Key']}", item["Size"], item["ETag"].strip('"'))

    def read(self, uri: str, *, limit: Optional[int] = None) -> bytes:
        bucket, key = _split(uri)
        ranged: dict[str, Any] = {} if limit is None else {"Range": f"bytes=0-{limit - 1}"}
        with _told(uri):
            try:
                body: bytes = self.client.get_object(Bucket=bucket, Key=key, **ranged)["Body"].read()
            except ClientError as error:
                if error.response["Error"]["Code"] in ("416", "InvalidRange"):  # a range of an empty object
                    return b""
                raise
        return body

    def write(self, uri: str, data: bytes) -> None:
        bucket, key = _split(uri)
        self.client.put_object(Bucket=bucket, Key=key, Body=data)

    def create(self, uri: str, data: bytes) -> bool:
        bucket, key = _split(uri)
        try:
            self.client.put_object(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] in ("PreconditionFailed", "412", "ConditionalRequestConflict"):
                return False
            raise
        return True

    def delete(self, uri: str) -> None:
        bucket, _ = _split(uri)
        # Hadoop 3.4 leaves the empty objects by which it marks a folder
        marked = self._objects(bucket, _split(uri)[1].rstrip("/") + "/", markers=True)
        keys = [{"Key": key} for key in {_split(file.uri)[1] for file in (*self.find(uri), *marked)}]
        for start in range(0, len(keys), 1000):
            self.client.delete_objects(Bucket=bucket, Delete={"Objects": keys[start : start + 1000], "Quiet": True})

    def rename(self, source: str, target: str) -> None:
        raise NotImplementedError("S3 has no rename; renames_folders says so")

    def assemble(self, header: bytes, parts: list[FileInfo], target: str) -> Assembled:
        """Join on the server with `UploadPartCopy`; only pieces under 5 MiB pass through here, to be joined first."""
        bucket, key = _split(target)
        whole = len(header) + sum(part.size for part in parts)
        if whole < MIN_PART:
            self.write(target, header + b"".join(self.read(part.uri) for part in parts))
        else:
            upload = self.client.create_multipart_upload(Bucket=bucket, Key=key, ContentType="text/csv")["UploadId"]
            try:
                done = list(self._upload(bucket, key, upload, header, parts))
                self.client.complete_multipart_upload(
                    Bucket=bucket,
                    Key=key,
                    UploadId=upload,
                    MultipartUpload={"Parts": done},
                )
            except BaseException:
                self.client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
                raise
        return self._read_back(target)

    def _upload(
        self, bucket: str, key: str, upload: str, header: bytes, parts: list[FileInfo]
    ) -> Iterator[dict[str, Any]]:
        """Send the pieces as numbered parts: `small` gathers bytes until they may stand as a part of their own."""
        at = {"Bucket": bucket, "Key": key, "UploadId": upload}
        number, small = 1, header
        for part in parts:
            source = dict(zip(("Bucket", "Key"), _split(part.uri)))
            start = 0
            if small or part.size < MIN_PART:
                start = min(part.size, max(MIN_PART - len(small), 0))
                if part.size - start < MIN_PART:
                    start = part.size  # what would be left is too small to be copied
                small += self._range(part.uri, start)
            if len(small) >= MIN_PART:
                yield {
                    "ETag": self.client.upload_part(**at, PartNumber=number, Body=small)["ETag"],
                    "PartNumber": number,
                }
                number, small = number + 1, b""
            while start < part.size:
                # never leave a rest under 5 MiB
                end = part.size if part.size - start < MAX_COPY + MIN_PART else start + MAX_COPY
                copied = self.client.upload_part_copy(
                    **at,
                    PartNumber=number,
                    CopySource=source,
                    CopySourceRange=f"bytes={start}-{end - 1}",
                )
                yield {"ETag": copied["CopyPartResult"]["ETag"], "PartNumber": number}
                number, start = number + 1, end
        if small:
            yield {"ETag": self.client.upload_part(**at, PartNumber=number, Body=small)["ETag"], "PartNumber": number}

    def _range(self, uri: str, size: int) -> bytes:
        return self.read(uri, limit=size) if size else b""

    def _read_back(self, uri: str) -> Assembled:
        """Hash what the store really holds: works on every S3-compatible store, and a reader can repeat it."""
        bucket, key = _split(uri)
        digest, size, line_feeds = hashlib.sha256(), 0, 0
        for chunk in self.client.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            line_feeds += chunk.count(b"\n")
        return Assembled(size, line_feeds, digest.hexdigest())

    def abort_uploads(self, uri: str) -> int:
        bucket, key = _split(uri)
        aborted = 0
        # with the slash, or the uploads of another output whose name only starts the same would be given up too
        folder = key.rstrip("/") + "/" if key else ""
        for page in self.client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=folder):
            for upload in page.get("Uploads", []):
                self.client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
                aborted += 1
        return aborted

    def for_spark(self, uri: str) -> str:
        return "s3a://" + "/".join(_split(uri))


def share_credentials() -> None:
    """Let Spark, started after this, use the credentials that boto3 finds, as those of a profile, which S3A does not read."""
    if "AWS_ACCESS_KEY_ID" in os.environ:
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
def _told(uri: str) -> Iterator[None]:
    """The store's refusals as the errors that a disk would give."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in NOT_THERE:
            raise FileNotFoundError(f"{uri}: not there ({code})") from error
        raise OSError(f"{uri}: {error}") from error
    except BotoCoreError as error:  # no credentials, no connection
        raise OSError(f"{uri}: {error}") from error


def _split(uri: str) -> tuple[str, str]:
    bucket, _, key = re.sub(r"^s3a?://", "", uri, flags=re.IGNORECASE).partition("/")
    return bucket, key


def _custom_endpoint() -> bool:
    return bool(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"))
