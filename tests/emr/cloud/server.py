"""The small AWS on a loopback port: the three EMR APIs over HTTP, with the faults a test asks for."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.emr.cloud import protocol
from tests.emr.cloud.ec2 import Ec2
from tests.emr.cloud.faults import Faults
from tests.emr.cloud.runs import Eks, Serverless

if TYPE_CHECKING:
    from tests.emr.cloud.machines import Containers, Yarn
    from tests.emr.cloud.s3 import S3

THROTTLED = protocol.Refused("ThrottlingException", "Rate exceeded")
REFUSED = protocol.Refused("AccessDeniedException", "User is not authorized to perform this action", status=403)
BROKEN = protocol.Refused("InternalFailure", "An internal error occurred", status=500)


class Cloud:
    """`requests` are all that were allowed by the models, in order; `refused` what the models did not allow."""

    def __init__(self, s3: S3, *, yarn: Yarn, containers: Containers) -> None:
        self.faults = Faults()
        self.ec2 = Ec2(s3, self.faults, yarn)
        self.serverless = Serverless(s3, self.faults, containers)
        self.eks = Eks(s3, self.faults, containers)
        self.requests: list[protocol.Request] = []
        self.refused: list[str] = []
        self._hung_up = threading.Event()
        self._services: dict[str, Ec2 | Serverless | Eks] = {
            "emr": self.ec2,
            "emr-serverless": self.serverless,
            "emr-containers": self.eks,
        }

    def start(self) -> Cloud:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Ends every job first, so that none of them outlives its test."""
        self.hang_up()
        clusters = self.ec2.clusters.values()
        steps = [work for cluster in clusters for work in cluster.steps.values()]
        for work in [*steps, *self.serverless.works.values(), *self.eks.works.values()]:
            work.finish("CANCELLED")
            work.join()
        self._server.shutdown()
        self._server.server_close()

    def hang_up(self) -> None:
        """Cuts the connections of requests that hang."""
        self._hung_up.set()

    def sent(self, operation: str) -> list[dict[str, Any]]:
        """The parameters of all requests of this operation that arrived."""
        return [request.parameters for request in self.requests if request.operation == operation]

    def respond(self, request: protocol.Request) -> tuple[bytes, bool]:
        """The body of the answer, and whether the connection is cut instead of sending it."""
        self.requests.append(request)
        fault = self.faults.take(request.operation)
        if fault in ("500", "throttle", "refuse"):
            raise {"500": BROKEN, "throttle": THROTTLED, "refuse": REFUSED}[fault]
        value = self._services[request.service].handle(request.operation, request.parameters)
        if fault == "hang":
            self._hung_up.wait(60)
        return protocol.answer(request, value), fault in ("drop", "hang")


def _handler(cloud: Cloud) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                request = protocol.read(self.command, self.path, self.headers, body)
            except protocol.Refused as refused:
                cloud.refused.append(refused.message)
                self._send(*_error(refused))
                return
            try:
                answer, cut = cloud.respond(request)
            except protocol.Refused as refused:
                self._send(*_error(refused))
                return
            if cut:
                self.close_connection = True
                self.connection.close()
                return
            self._send(200, answer, {})

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {
                **headers,
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _serve

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    return Handler


def _error(refused: protocol.Refused) -> tuple[int, bytes, dict[str, str]]:
    body = json.dumps({"__type": refused.code, "message": refused.message}).encode()
    return refused.status, body, {"x-amzn-ErrorType": refused.code}
