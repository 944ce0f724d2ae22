"""The logs that EMR leaves in S3, late and gzipped: which of them are the driver's, and what they say."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jobs.emr.request import Target
    from jobs.emr.staging import Store

_APPLICATION = re.compile(r"\bapplication_[0-9]+_[0-9]+\b")
_FIRST_CONTAINER = re.compile(r"/container_(e[0-9]+_)?[0-9]+_[0-9]+_[0-9]+_0*1/")
_ATTEMPT = re.compile(r"/attempts/([0-9]+)/")
# log4j's lines and the JVM's stack frames: everything on stderr that is not the job speaking to people
_MACHINERY = re.compile(
    r"^(\d\d(\d\d)?[/-]\d\d[/-]\d\d[ T]\d\d:\d\d:\d\d|SLF4J|WARNING:|Setting default log level|To adjust logging level"
    r"|\s|Caused by:|OpenJDK|Picked up|log4j:|Files |Traceback|\w+(\.\w+)+(Exception|Error))"
)
_SECRET = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|(?<=X-Amz-Signature=)[0-9a-f]+|(?<=X-Amz-Security-Token=)[^&\s]+"
    r"|(?i:(?<=secret_access_key=)|(?<=secret\.key=)|(?<=session_token=))\S+"
)


def masked(text: str) -> str:
    """The text with credentials struck out, as logs sometimes carry them."""
    return _SECRET.sub("****", text)


def driver_logs(target: Target, ids: Mapping[str, str], *, store: Store) -> dict[str, str]:
    """The text of each of the driver's log files that is there by now, by URI, the standard output first.

    Nothing to read, or no right to, gives an empty result: logs come late and are never a reason to fail.
    """
    try:
        prefixes = target.log_prefixes(ids)
        found = {uri: _text(store.read(uri)) for prefix in prefixes for uri in _drivers(store.list(prefix))}
        for application in _applications(found.values()):
            # in cluster mode the step's own log only names the application; the driver speaks in its first container
            container = re.sub(r"/steps/.*", f"/containers/{application}/", next(iter(found)))
            found |= {uri: _text(store.read(uri)) for uri in _drivers(store.list(container))}
    except (OSError, ClientError, BotoCoreError):
        return {}
    return dict(sorted(found.items(), key=lambda item: ("/containers/" not in item[0], "stdout" not in item[0])))


def _drivers(uris: list[str]) -> list[str]:
    """Those of the driver: not the executors', and only of the newest attempt."""
    logs = [uri for uri in uris if re.search(r"/(stdout|stderr)[^/]*$", uri)]
    if any("/SPARK_DRIVER/" in uri for uri in logs):
        logs = [uri for uri in logs if "/SPARK_DRIVER/" in uri]
    if any(_FIRST_CONTAINER.search(uri) for uri in logs):
        logs = [uri for uri in logs if _FIRST_CONTAINER.search(uri)]
    attempts = [int(match[1]) for uri in logs if (match := _ATTEMPT.search(uri))]
    return [uri for uri in logs if not attempts or f"/attempts/{max(attempts)}/" in uri]


def _applications(texts: Iterable[str]) -> list[str]:
    return sorted({match for text in texts for match in _APPLICATION.findall(text)})


def _text(body: bytes) -> str:
    if body[:2] == b"\x1f\x8b":
        # a log that is still being written may end in the middle of a block
        body = zlib.decompressobj(wbits=31).decompress(body)
    return body.decode("utf-8", errors="replace")


@dataclass
class Progress:
    """Remembers what was shown, so that each of the driver's own lines is shown once."""

    shown: dict[str, int] = field(default_factory=dict)

    def fresh(self, logs: Mapping[str, str]) -> list[str]:
        lines: list[str] = []
        for uri, text in logs.items():
            if "stderr" not in uri or "/steps/" in uri:
                continue
            spoken = [line for line in text.splitlines() if line.strip() and not _MACHINERY.match(line)]
            lines += spoken[self.shown.get(uri, 0) :]
            self.shown[uri] = len(spoken)
        return [masked(line) for line in lines]
