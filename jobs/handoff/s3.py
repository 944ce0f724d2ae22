"""S3 through boto3: server-side assembly, and writes that a reader sees whole or not at all."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Optional

from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError

from jobs.handoff import connection, multipart
from jobs.handoff.connection import split, told
from jobs.handoff.storage import FileInfo
from jobs.handoff.tally import Assembled, Tally
from jobs.handoff.uris import has_wildcard, matches


class S3Storage:
    """A bucket. No renames: a folder becomes visible when its manifest is written, last."""

    renames_folders = False

    def __init__(self) -> None:
        """Connect by the standard AWS environment."""
        self.client = connection.client()

    def find(self, uri: str) -> list[FileInfo]:
        (bucket, key), found = split(uri), self._at(uri)
        if not found and has_wildcard(key):  # as on a disk, a name that is there is no glob
            wanted = key.rstrip("/")
            below = self._objects(bucket, re.split(r"[*?\[]", key, maxsplit=1)[0])
            # a glob may name folders, as it does for Spark: what lies below them belongs to it
            depth = wanted.count("/") + 1
            found = [file for file in below if matches("/".join(split(file.uri)[1].split("/")[:depth]), wanted)]
        return sorted(found, key=lambda file: file.uri)

    def not_looked_into(self, uri: str) -> Optional[str]:
        return None

    def in_folders(self, uri: str, folders: "re.Pattern[str]", name: str) -> list[str]:
        root = self.canonical(uri)
        below = [(file.uri, file.uri[len(root) + 1 :].split("/")) for file in self.find(uri)]
        return [uri for uri, names in below if names[1:] == [name] and folders.match(names[0])]

    def exists(self, uri: str) -> bool:
        bucket, key = split(uri)
        folder = key.rstrip("/") + "/" if key else ""
        try:
            with told(uri):
                below = self.client.list_objects_v2(Bucket=bucket, Prefix=folder, MaxKeys=1).get("KeyCount")
        except FileNotFoundError:
            return False
        return bool(below or self.find(uri))

    def canonical(self, uri: str) -> str:
        return "s3://" + "/".join(split(uri)).rstrip("/")

    def _at(self, uri: str, *, markers: bool = False) -> list[FileInfo]:
        """The object `uri` itself and those below it, with `markers` the empty ones too by which S3A marks a folder."""
        bucket, key = split(uri)
        folder = key.rstrip("/") + "/" if key else ""
        found = self._objects(bucket, key.rstrip("/"), markers=markers)
        return [f for f in found if split(f.uri)[1] == key or split(f.uri)[1].startswith(folder)]

    def _objects(self, bucket: str, prefix: str, *, markers: bool = False) -> Iterator[FileInfo]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        with suppress(FileNotFoundError), told(f"s3://{bucket}/{prefix}"):
            for page in pages:
                for item in page.get("Contents", []):
                    if markers or not item["Key"].endswith("/"):
                        yield FileInfo(f"s3://{bucket}/{item['Key']}", item["Size"], item["ETag"].strip('"'))

    def read(self, uri: str, *, limit: Optional[int] = None) -> bytes:
        bucket, key = split(uri)
        some = {} if limit is None else {"Range": f"bytes=0-{limit - 1}"}
        broken = 0
        while True:
            with told(uri):
                try:
                    answer = self.client.get_object(Bucket=bucket, Key=key, **some)
                except ClientError as error:
                    if error.response["Error"]["Code"] in ("416", "InvalidRange"):  # an empty object
                        return b""
                    raise
                try:
                    return bytes(answer["Body"].read())
                except (HTTPClientError, IncompleteReadError):  # boto3 does not retry what comes after the headers
                    broken += 1
                    if broken == connection.ATTEMPTS:
                        raise

    def write(self, uri: str, data: bytes) -> None:
        bucket, key = split(uri)
        with told(uri):
            self.client.put_object(Bucket=bucket, Key=key, Body=data)

    def create(self, uri: str, data: bytes) -> bool:
        bucket, key = split(uri)
        with told(uri):
            try:
                self.client.put_object(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*")
            except ClientError as error:
                if error.response["Error"]["Code"] not in ("PreconditionFailed", "412", "ConditionalRequestConflict"):
                    raise
                with suppress(FileNotFoundError):
                    # ours after all: it was written, and its answer was lost before the second attempt
                    return self.read(uri) == data
                return False
        return True

    def delete(self, uri: str) -> None:
        bucket, _ = split(uri)
        keys = [{"Key": split(file.uri)[1]} for file in self._at(uri, markers=True)]
        for start in range(0, len(keys), 1000):
            some: Any = {"Objects": keys[start : start + 1000], "Quiet": True}
            with told(uri):
                kept = self.client.delete_objects(Bucket=bucket, Delete=some).get("Errors")
            if kept:  # one by one, inside an answer that is a success
                raise OSError(f"s3://{bucket}/{kept[0]['Key']}: cannot be deleted ({kept[0].get('Code')})")

    def rename(self, source: str, target: str) -> None:
        raise NotImplementedError("S3 has no rename; renames_folders says so")

    def assemble(self, header: bytes, parts: list[FileInfo], target: str) -> Assembled:
        """Join on the server with `UploadPartCopy`; only pieces under 5 MiB pass through here, to be joined first."""
        if len(header) + sum(part.size for part in parts) < multipart.MIN_PART:
            if not self.create(target, multipart.whole(self.read, header, parts)):
                raise FileExistsError(f"{target}: another run has written it meanwhile")
        else:
            with told(target):
                multipart.join(self.client, self.read, header, parts, target)
        return self._read_back(target)

    def _read_back(self, uri: str) -> Assembled:
        """Hash what the store really holds: works on every S3-compatible store, and a reader can repeat it."""
        bucket, key = split(uri)
        with Tally() as tally, told(uri):
            self.client.download_fileobj(bucket, key, tally, Config=connection.ranges())
            return tally.assembled()

    def abort_uploads(self, uri: str) -> None:
        bucket, key = split(uri)
        with told(uri):
            for page in self.client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=key):
                for upload in page.get("Uploads", []):
                    # not those of a neighbour whose name only starts the same
                    if f"{upload['Key']}/".startswith(f"{key}/"):
                        self.client.abort_multipart_upload(
                            Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                        )

    def for_spark(self, uri: str) -> str:
        return "s3a://" + "/".join(split(uri))
