"""What a URI says by itself: its scheme, whether it is a glob, what lies below it. No store is asked."""

import fnmatch
import re


def scheme_of(uri: str) -> str:
    """`s3` of `s3://bucket/key`, empty for a plain path."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", uri)
    return match[1].lower() if match else ""


def join(folder: str, *names: str) -> str:
    """`folder/name/…` whatever the folder ends with."""
    return "/".join([folder.rstrip("/"), *names])


def is_hidden(uri: str, root: str) -> bool:
    """Whether Spark would pass the file over: its name, or a folder's below `root`, starts with `_` or `.`."""
    below = uri[len(root) :] if uri.startswith(root) and uri != root else uri.rsplit("/", 1)[-1]
    return any(part.startswith(("_", ".")) for part in below.split("/") if part)


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
