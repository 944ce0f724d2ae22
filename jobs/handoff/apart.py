"""An output that a later run would read as its input is refused, and an input that this run would clear away."""

import os

from jobs.errors import UsageError
from jobs.handoff.publish import REFUSED, STAGING
from jobs.handoff.storage import storage_for
from jobs.handoff.uris import has_wildcard, join, matches, scheme_of

# what a run leaves below its output, and how a glob could reach it
MADE = (
    "latest.json", "{date}/actions.csv", "{date}/rejects.csv", "{date}/datapackage.json",
    "refused/{date}/rejects.csv", "refused/{date}/summary.json",
)  # fmt: skip


def check(inputs: tuple[str, ...], output: str, run_date: str) -> None:
    """Raises `UsageError` if `output` is, or lies in, one of the inputs, or a glob among them takes in what is published.

    And if an input lies in what the run clears away, or if the output does not name one folder: on S3 one with a wildcard
    would take in other outputs, when what a run left is cleaned up.
    """
    if scheme_of(output) in ("s3", "s3a") and has_wildcard(output):
        raise UsageError(f"--output {output!r}: must name one folder; leave out *, ? and [")
    folder = _place(output)
    cleared = join(folder, STAGING, ""), join(folder, REFUSED, run_date)
    made = [join(folder, name.format(date=run_date)) for name in MADE]
    for uri in inputs:
        wanted = _place(uri)
        if f"{wanted}/".startswith(cleared):
            raise UsageError(
                f"input {uri}: lies where the run itself writes and clears away; copy it to another folder"
            )
        inside = f"{folder}/".startswith(wanted.rstrip("/") + "/")
        if inside or (has_wildcard(wanted) and any(_names(wanted, path) for path in made)):
            raise UsageError(
                f"--output {output}: lies in the input {uri}, so a later run would read what this one publishes; "
                f"choose an output outside of the inputs"
            )


def _place(uri: str) -> str:
    """One spelling of `uri`, links on a disk followed."""
    spelled = storage_for(uri).canonical(uri)
    return os.path.realpath(spelled) if spelled.startswith("/") else spelled


def _names(pattern: str, path: str) -> bool:
    """Whether the glob names `path` or a folder above it."""
    depth = pattern.count("/") + 1
    return matches("/".join(path.split("/")[:depth]), pattern)
