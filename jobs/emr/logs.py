"""The logs that EMR leaves in S3, late and gzipped: which of them are the driver's, and what they say."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jobs.emr.request import Target
    from jobs.emr.staging import Store

_APPLICATION = re.compile(r"\bapplication_[0-9]+_[0-9]+\b")
_FIRST_CONTAINER = re.compile(r"/container_(e[0-9]+_)?[0-9]+_[0-9]+_[0-9]+_0*1/")
_ATTEMPT = re.compile(r"/attempts/([0-9]+)/")
# what our programs say to people, among the machinery of Spark; cluster mode mixes Python's stderr into stdout
_SPOKEN = re.compile(r"^(\[ *[0-9]+\.[0-9] s\]|error:|warning:|note:) ")
_SECRET = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|(?<=X-Amz-Signature=)[0-9a-f]+|(?<=X-Amz-Security-Token=)[^&\s]+"
    r"|(?i:(?<=secret_access_key=)|(?<=secret\.key=)|(?<=session_token=))\S+"
)


def masked(text: str) -> str:
    """The text with credentials struck out, as logs sometimes carry them."""
    return _SECRET.sub("****", text)


class Logs:
    """The driver's logs of one job. Remembers what it has read and shown, so that nothing is fetched or said twice."""

    def __init__(self, target: Target, ids: Mapping[str, str], *, store: Store) -> None:
        self._target, self._ids, self._store = target, ids, store
        self._read: dict[str, tuple[str, str]] = {}  # by URI: the version, its text
        self._shown: dict[str, int] = {}

    def texts(self) -> dict[str, str]:
        """The text of each file that is there by now, by URI, the driver's own first.

        Nothing to read, or no right to, gives an empty result: logs come late and are never a reason to fail.
        """
        try:
            prefixes = self._target.log_prefixes(self._ids)
            found = {uri: text for prefix in prefixes for uri, text in self._under(prefix).items()}
            steps = [uri for uri in found if "/steps/" in uri]
            for application in _applications(found[uri] for uri in steps):
                # in cluster mode the step's own log only names the application; the driver speaks in its first container
                found |= self._under(re.sub(r"/steps/.*", f"/containers/{application}/", steps[0]))
        except (OSError, ClientError, BotoCoreError):
            return {}
        return dict(sorted(found.items(), key=lambda item: ("/containers/" not in item[0], "stdout" not in item[0])))

    def fresh_lines(self) -> list[str]:
        """The lines in which the job itself told how far it is, each once."""
        lines: list[str] = []
        for uri, text in self.texts().items():
            spoken = [line for line in text.splitlines() if _SPOKEN.match(line)]
            lines += spoken[self._shown.get(uri, 0) :]
            self._shown[uri] = len(spoken)
        return [masked(line) for line in lines]

    def _under(self, prefix: str) -> dict[str, str]:
        versions = self._store.versions(prefix)
        for uri in _drivers(list(versions)):
            if self._read.get(uri, ("", ""))[0] != versions[uri]:
                self._read[uri] = (versions[uri], _text(self._store.read(uri)))
        return {uri: self._read[uri][1] for uri in _drivers(list(versions))}


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
