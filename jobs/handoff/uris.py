"""What a URI says by itself: its scheme, whether it is a glob, what lies below it. No store is asked."""

import fnmatch
import re
from collections.abc import Iterable

from jobs.errors import UsageError


def check(given: Iterable[tuple[str, str]]) -> None:
    """Hold each URI of a command, given with its option's name, to naming one place: the same to this job, Spark and S3.

    Raises `UsageError`.
    """
    for option, uri in given:
        if re.match(r"s3a?:/+[^/]*[:@]", uri, re.IGNORECASE):
            # not echoed: it would be logged, and stand in the manifest
            raise UsageError(
                f"--{option}: an S3 URI holds credentials; give s3://bucket/key, and credentials by the AWS environment"
            )
        if problem := _problem(uri):
            raise UsageError(f"--{option} {uri!r}: {problem}")


def _problem(uri: str) -> str:
    """What is wrong with the URI, and the cure; empty if nothing is."""
    if not uri:
        return "is empty; give a path or a URI"
    if uri.startswith("~"):
        return f"no shell has put a folder in the place of ~; give the path in full, or ./{uri} for one of that name"
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/(?!/)", uri):
        return f"has one slash; give file:///path or s3://bucket/key, or ./{uri} for a path of that name"
    if re.match(r"file://(?!(localhost)?/)", uri, re.IGNORECASE):
        return "names another machine; give file:///path, with three slashes, or the path alone"
    if scheme_of(uri) in ("s3", "s3a"):
        if not uri.partition("://")[2].partition("/")[0]:
            return "has no bucket; give s3://bucket/key"
        if is_folded(uri):
            return "Spark and S3 take it for different names; leave out empty parts, . and .. of its key"
    return ""


def is_folded(uri: str) -> bool:
    """Whether Hadoop takes parts out of an S3 URI's key, as of a path: to S3 they belong to the name."""
    key = uri.partition("://")[2].partition("/")[2]
    return bool(key) and not {"", ".", ".."}.isdisjoint(key.removesuffix("/").split("/"))


def scheme_of(uri: str) -> str:
    """`s3` of `s3://bucket/key`, empty for a plain path."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", uri)
    return match[1].lower() if match else ""


def join(folder: str, *names: str) -> str:
    """`folder/name/…` whatever the folder ends with."""
    return "/".join([folder.rstrip("/"), *names])


def is_hidden(uri: str, root: str) -> bool:
    """Whether Spark would pass the file over: its name, or a folder's below `root`, starts with `_` or `.`, or it is being copied."""
    below = uri[len(root) :] if uri.startswith(root) and uri != root else uri.rsplit("/", 1)[-1]
    return below.endswith("._COPYING_") or any(part.startswith(("_", ".")) for part in below.split("/") if part)


def fixed_root(uri: str) -> str:
    """The folder that `uri` names, or for a glob the one above its first wildcard."""
    return re.split(r"[*?\[]", uri, maxsplit=1)[0].rpartition("/")[0] if has_wildcard(uri) else uri


def has_wildcard(uri: str) -> bool:
    """Whether `uri` is a glob."""
    return any(char in uri for char in "*?[")


def matches(path: str, pattern: str) -> bool:
    """Glob match by path component, so that `*` never crosses a slash."""
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(fnmatch.fnmatchcase(p, w) for p, w in zip(parts, wanted))
