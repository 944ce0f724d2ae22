"""An S3 server of its own process, `python -m tests.support.store PORT LOG FAULTS`: moto's, and a line a request in LOG.

FAULTS is a JSON list of rules, read anew with each request; the first whose pattern fits the request strikes:
`{"on": regex of "METHOD /path?query agent", "do": 503 | "slow" | "drop" | "lost", "times": of each request, or null for ever}`.
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

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
# longer than Spark 4's S3A can be told to wait, which is 15 s at the least
SLOW_SECONDS = 20.0
CODES = {403: "AccessDenied", 500: "InternalError", 503: "SlowDown"}


def logged(app: App, log_path: str, faults_path: str) -> App:
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
    """The error document that S3 sends; the body of the request is read first, as S3 does."""
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    body = f"<Error><Code>{CODES[status]}</Code><Message>by order of the test</Message></Error>".encode()
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


if __name__ == "__main__":
    moto = DomainDispatcherApplication(create_backend_app)
    run_simple(
        "127.0.0.1",
        int(sys.argv[1]),
        logged(moto, sys.argv[2], sys.argv[3]),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
