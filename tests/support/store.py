"""An S3 server of its own process, `python -m tests.support.store PORT LOG`: moto's, and a line a request in LOG."""

import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def logged(app: App, path: str) -> App:
    """`app`, noting of each request what tells a server-side copy from an upload."""

    def handle(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        told = {
            "method": environ["REQUEST_METHOD"],
            "path": environ["PATH_INFO"],
            "query": environ["QUERY_STRING"],
            "copy_source": environ.get("HTTP_X_AMZ_COPY_SOURCE"),
            "bytes": int(environ.get("CONTENT_LENGTH") or 0),
        }
        with open(path, "a", encoding="utf-8") as log:
            log.write(json.dumps(told) + "\n")
        return app(environ, start_response)

    return handle


if __name__ == "__main__":
    moto = DomainDispatcherApplication(create_backend_app)
    run_simple(
        "127.0.0.1", int(sys.argv[1]), logged(moto, sys.argv[2]), threaded=True, request_handler=MotoRequestHandler
    )
