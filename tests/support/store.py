"""An S3 server of its own process, `python -m tests.support.store PORT LOG FAULTS PACE`: moto's, and a line a request in LOG.

PACE is how many bytes a second pass over one connection, 0 for as many as can.

FAULTS is a JSON list of rules, read anew with each request; the first whose pattern fits the request strikes:
`{"on": regex of "METHOD /path?query agent", "do": 403 … 503 | "slow" | "drop" | "lost", "times": of each request, or null for ever}`.
"""

import json
import re
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import run_simple

MIB = 1 << 20
App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
# longer than Spark 4's S3A can be told to wait, which is 15 s at the least
SLOW_SECONDS = 20.0
CODES = {
    403: "AccessDenied",
    404: "NoSuchUpload",
    409: "ConditionalRequestConflict",
    500: "InternalError",
    503: "SlowDown",
}


def logged(app: App, log_path: str, faults_path: str, pace: int) -> App:
    """`app`, noting of each request what tells a server-side copy from an upload, and which fault struck it."""
    struck: Counter[str] = Counter()

    def handle(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        fault = striking(environ, faults_path, struck)
        told = {
            "method": environ["REQUEST_METHOD"],
            "path": environ["PATH_INFO"],
            "query": environ["QUERY_STRING"],
            "copy_source": environ.get("HTTP_X_AMZ_COPY_SOURCE"),
            "bytes": int(environ.get("CONTENT_LENGTH") or 0),
            "fault": fault,
            "at": time.time(),
        }
        with open(log_path, "a", encoding="utf-8") as log:
            log.write(json.dumps(told) + "\n")
        if fault is None and pace:
            return paced(app, environ, start_response, pace)
        if fault is None:
            return app(environ, start_response)
        if fault == "slow":
            time.sleep(SLOW_SECONDS)
            return app(environ, start_response)
        if fault in ("drop", "lost"):
            return hung_up(app, environ, start_response, before=fault == "drop")
        return refused(fault, environ, start_response)

    return handle


def striking(environ: dict[str, Any], path: str, struck: "Counter[str]") -> Any:
    """What the first fault that fits the request and has not struck often enough does."""
    asked = (
        f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']} {environ.get('HTTP_USER_AGENT')}"
    )
    for rule in json.loads(Path(path).read_text(encoding="utf-8")):
        known = f"{rule} {asked}"
        if re.search(rule["on"], asked) and (rule["times"] is None or struck[known] < rule["times"]):
            struck[known] += 1
            return rule["do"]
    return None


def refused(status: int, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The error document that S3 sends, of what is not in CODES none; the body of the request is read first, as S3 does."""
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    document = f"<Error><Code>{CODES.get(status)}</Code><Message>by order of the test</Message></Error>"
    body = document.encode() if status in CODES else b""
    start_response(f"{status} Fault", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def hung_up(app: App, environ: dict[str, Any], start_response: Callable[..., Any], *, before: bool) -> Iterator[bytes]:
    """The connection is lost half way through what the client sends or is sent, or when all is done but the answer."""
    sent = int(environ.get("CONTENT_LENGTH") or 0)
    if before and sent:
        environ["wsgi.input"].read(sent // 2)
    else:
        body = b"".join(app(environ, start_response))
        if before:
            yield body[: len(body) // 2]
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)


def paced(app: App, environ: dict[str, Any], start_response: Callable[..., Any], pace: int) -> Iterator[bytes]:
    """What is sent, and what is answered, takes as long as it would at `pace` bytes a second."""
    due = time.monotonic() + int(environ.get("CONTENT_LENGTH") or 0) / pace
    answer = b"".join(app(environ, start_response))
    time.sleep(max(due - time.monotonic(), 0))
    for start in range(0, len(answer), MIB):
        piece = answer[start : start + MIB]
        due += len(piece) / pace
        time.sleep(max(due - time.monotonic(), 0))
        yield piece


def by_ranges(app: App) -> App:
    """`app`, a range of an object read alone, as stores do: moto reads the whole of it for each."""

    def handle(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        said: list[Any] = []
        if environ["REQUEST_METHOD"] == "GET" and "HTTP_RANGE" in environ:
            for _ in app({**environ, "REQUEST_METHOD": "HEAD"}, lambda *answer: said.append(answer)):
                pass
        if not said or not said[0][0].startswith("206"):
            return app(environ, start_response)
        status, headers = said[0][:2]
        span = re.search(r"(\d+)-(\d+)", dict(headers)["content-range"])
        assert span
        first, last = map(int, span.groups())
        path = environ["PATH_INFO"].encode("latin-1").decode()  # as WSGI has it
        bucket, _, name = path.removeprefix("/").partition("/")
        key = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_object(bucket, name)
        assert key
        with key.lock:
            key._value_buffer.seek(first)
            body = key._value_buffer.read(last - first + 1)
        start_response(status, headers)
        return [body]

    return handle


if __name__ == "__main__":
    # S3's alone: what tells the services of moto apart looks for all of them in its folder, at each request
    moto = create_backend_app("s3")
    run_simple(
        "127.0.0.1",
        int(sys.argv[1]),
        logged(by_ranges(moto), sys.argv[2], sys.argv[3], int(sys.argv[4])),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
