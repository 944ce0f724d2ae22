"""One S3 object made of others on the server, by a multipart upload whose parts are copies."""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from jobs.handoff.connection import split
from jobs.handoff.storage import FileInfo

MIN_PART = 5 << 20  # S3 takes no smaller part, except as the last
MAX_COPY = 1 << 30  # well under the 5 GiB that one UploadPartCopy may move
AT_ONCE = 8  # a store takes its time for each request, whatever else it does
Read = Callable[..., bytes]  # an object's bytes by its URI, or its first `limit`
Range = tuple[str, int, int]  # an object's URI, and from where to where


def join(client: Any, read: Read, header: bytes, parts: list[FileInfo], target: str) -> None:
    """Make `target` of `header` and `parts`, 5 MiB or more in all. Whatever goes wrong, no upload is left behind."""
    bucket, key = split(target)
    upload = client.create_multipart_upload(Bucket=bucket, Key=key, ContentType="text/csv")["UploadId"]
    at: Any = {"Bucket": bucket, "Key": key, "UploadId": upload}
    try:
        done = _sent(client, read, header, _planned(len(header), parts), at)
        # not there: done by an attempt whose answer was lost; the read-back tells whether all of it is there
        with suppress(client.exceptions.NoSuchUpload):
            # a run that slept while another took over must not write over what that has published
            client.complete_multipart_upload(**at, MultipartUpload={"Parts": done}, IfNoneMatch="*")
    except BaseException:
        with suppress(Exception):  # what went wrong must not be hidden by it; the clean-up tries again
            client.abort_multipart_upload(**at)
        raise


def whole(read: Read, header: bytes, parts: list[FileInfo]) -> bytes:
    """`header` and all `parts`, in memory."""
    with ThreadPoolExecutor(AT_ONCE) as reading:
        return header + _gathered(reading, read, [(part.uri, 0, part.size) for part in parts if part.size])


def _gathered(reading: Executor, read: Read, ranges: list[Range]) -> bytes:
    """The bytes of ranges that begin their objects, one after the other."""
    return b"".join(reading.map(lambda some: read(some[0], limit=some[2]), ranges))


def _planned(header: int, parts: list[FileInfo]) -> list[list[Range]]:
    """The ranges of which each part of the upload is made: one to be copied, or small ones, after a header of so many bytes."""
    planned: list[list[Range]] = []
    small: list[Range] = []
    size = header
    for part in parts:
        start = 0
        if size or part.size < MIN_PART:
            start = min(part.size, max(MIN_PART - size, 0))
            if part.size - start < MIN_PART:
                start = part.size  # what would be left is too small to be copied
            if start:
                small.append((part.uri, 0, start))
                size += start
        if size >= MIN_PART:
            planned.append(small)
            small, size = [], 0
        while start < part.size:
            # never leave a rest under 5 MiB
            end = part.size if part.size - start < MAX_COPY + MIN_PART else start + MAX_COPY
            planned.append([(part.uri, start, end)])
            start = end
    return [*planned, small] if size else planned


def _sent(
    client: Any, read: Read, header: bytes, planned: list[list[Range]], at: dict[str, Any]
) -> list[dict[str, Any]]:
    """Send the parts of an upload, numbered from 1, side by side; the first begins with the `header`."""

    def sent(number: int, ranges: list[Range]) -> dict[str, Any]:
        before = header if number == 1 else b""
        numbered = {**at, "PartNumber": number}
        if not before and len(ranges) == 1 and ranges[0][2] - ranges[0][1] >= MIN_PART:
            answer = _copied(client, numbered, *ranges[0])
        else:
            answer = client.upload_part(**numbered, Body=before + _gathered(reading, read, ranges))
        return {"ETag": answer["ETag"], "PartNumber": number}

    with ThreadPoolExecutor(AT_ONCE) as reading:
        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            return list(pool.map(sent, range(1, len(planned) + 1), planned))
        finally:  # none may be under way when the upload is given up
            pool.shutdown(cancel_futures=True)


def _copied(client: Any, numbered: dict[str, Any], source: str, start: int, end: int) -> Any:
    origin = dict(zip(("Bucket", "Key"), split(source)))
    some = f"bytes={start}-{end - 1}"
    return client.upload_part_copy(**numbered, CopySource=origin, CopySourceRange=some)["CopyPartResult"]
