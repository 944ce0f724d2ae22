"""One S3 object made of others on the server, by a multipart upload whose parts are copies."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from jobs.handoff.connection import split
from jobs.handoff.storage import FileInfo

MIN_PART = 5 << 20  # S3 takes no smaller part, except as the last
MAX_COPY = 1 << 30  # well under the 5 GiB that one UploadPartCopy may move
COPIES = 8  # at a time: fewer than the client's connections


def join(client: Any, read: Callable[..., bytes], header: bytes, parts: list[FileInfo], target: str) -> None:
    """Make `target` of `header` and `parts`, 5 MiB or more in all; `read` gives an object's first `limit` bytes.

    Whatever goes wrong, no upload is left behind.
    """
    bucket, key = split(target)
    upload = client.create_multipart_upload(Bucket=bucket, Key=key, ContentType="text/csv")["UploadId"]
    at: Any = {"Bucket": bucket, "Key": key, "UploadId": upload}
    try:
        done = _sent(client, read, header, parts, at)
        # not there: done by an attempt whose answer was lost; the read-back tells whether all of it is there
        with suppress(client.exceptions.NoSuchUpload):
            # a run that slept while another took over must not write over what that has published
            client.complete_multipart_upload(**at, MultipartUpload={"Parts": done}, IfNoneMatch="*")
    except BaseException:
        with suppress(Exception):  # what went wrong must not be hidden by it; the clean-up tries again
            client.abort_multipart_upload(**at)
        raise


def _sent(
    client: Any, read: Callable[..., bytes], header: bytes, parts: list[FileInfo], at: dict[str, str]
) -> list[dict[str, Any]]:
    """Send the pieces as numbered parts: `small` gathers bytes until they may stand as a part of their own.

    Copies go on side by side: a store takes its time for each, whatever else it does.
    """
    number, small = 1, header
    etags: dict[int, str] = {}
    copies: dict[int, Future[Any]] = {}
    pool = ThreadPoolExecutor(COPIES)
    try:
        for part in parts:
            start = 0
            if small or part.size < MIN_PART:
                start = min(part.size, max(MIN_PART - len(small), 0))
                if part.size - start < MIN_PART:
                    start = part.size  # what would be left is too small to be copied
                small += read(part.uri, limit=start) if start else b""
            if len(small) >= MIN_PART:
                etags[number] = client.upload_part(**at, PartNumber=number, Body=small)["ETag"]
                number, small = number + 1, b""
            while start < part.size:
                # never leave a rest under 5 MiB
                end = part.size if part.size - start < MAX_COPY + MIN_PART else start + MAX_COPY
                copies[number] = pool.submit(_copied, client, at, number, part.uri, f"bytes={start}-{end - 1}")
                number, start = number + 1, end
        if small:
            etags[number] = client.upload_part(**at, PartNumber=number, Body=small)["ETag"]
        etags.update((n, copy.result()["CopyPartResult"]["ETag"]) for n, copy in copies.items())
    finally:  # none may be under way when the upload is given up
        pool.shutdown(cancel_futures=True)
    return [{"ETag": etags[n], "PartNumber": n} for n in sorted(etags)]


def _copied(client: Any, at: dict[str, str], number: int, source: str, some: str) -> Any:
    origin = dict(zip(("Bucket", "Key"), split(source)))
    return client.upload_part_copy(**at, PartNumber=number, CopySource=origin, CopySourceRange=some)
