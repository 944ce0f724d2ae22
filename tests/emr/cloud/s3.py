"""S3: moto's server on a loopback port, with what it lacks: the checks of the owner and of checksums. Notes every request."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import threading
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from collections.abc import Callable

ACCOUNT = "123456789012"
DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
DAMAGED = b"<?xml version='1.0'?><Error><Code>BadDigest</Code><Message>The checksum did not match</Message></Error>"


@dataclass
class S3:
    """`puts` are the keys written, in order, over the life of the server.

    `denies` says which of them it refuses, `damages` which reach it damaged.
    """

    url: str = ""
    puts: list[str] = field(default_factory=list)
    denies: Callable[[str], bool] = lambda key: False
    damages: Callable[[str], bool] = lambda key: False

    def start(self) -> S3:
        self._server = make_server("127.0.0.1", 0, self._guarded(create_backend_app("s3")), threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def client(self) -> Any:
        return self._client

    @functools.cached_property
    def _client(self) -> Any:
        return boto3.client(
            "s3", endpoint_url=self.url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y"
        )

    def text(self, bucket: str, key: str) -> str:
        body: bytes = self.client().get_object(Bucket=bucket, Key=key)["Body"].read()
        return body.decode()

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        answer = self.client().list_objects_v2(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for item in answer.get("Contents", ())]

    def _guarded(self, backend: Any) -> Any:
        def application(environ: dict[str, Any], start_response: Any) -> Any:
            if environ["REQUEST_METHOD"] == "PUT":
                self.puts.append(environ["PATH_INFO"])
            denied = environ["REQUEST_METHOD"] == "PUT" and self.denies(environ["PATH_INFO"])
            owner = environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER", ACCOUNT)
            if denied or owner != ACCOUNT:
                start_response("403 Forbidden", [("Content-Type", "application/xml")])
                return [DENIED if environ["REQUEST_METHOD"] != "HEAD" else b""]
            if environ["REQUEST_METHOD"] == "PUT" and self.damages(environ["PATH_INFO"]) and _noticed(environ):
                start_response("400 Bad Request", [("Content-Type", "application/xml")])
                return [DAMAGED]
            return backend(environ, start_response)

        return application


def _noticed(environ: dict[str, Any]) -> bool:
    """Flips a bit of what was sent; whether a checksum that came with it tells."""
    body = bytearray(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    body[-1] ^= 1
    environ["wsgi.input"] = io.BytesIO(body)
    sums = {"SHA256": hashlib.sha256(body).digest(), "CRC32": zlib.crc32(body).to_bytes(4, "big")}
    sent = {name: environ.get(f"HTTP_X_AMZ_CHECKSUM_{name}") for name in sums}
    return any(sent[name] not in (None, base64.b64encode(own).decode()) for name, own in sums.items())
