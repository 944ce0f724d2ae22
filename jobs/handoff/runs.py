"""What an output holds: which runs are published there, which of them is the newest, and what the next may be called."""

import json
import re
from collections.abc import Mapping
from typing import Any, Optional

from jobs.errors import HandOffError
from jobs.handoff import manifest
from jobs.handoff.storage import Storage
from jobs.handoff.uris import join

LATEST = "latest.json"
# the second run of a date is .2
RUN_FOLDER = re.compile(r"^(\d{4}-\d{2}-\d{2})(?:\.([2-9]|[1-9]\d+))?$")


def published(storage: Storage, output: str) -> dict[str, str]:
    """Run id to the URI of its manifest, oldest first. Only a run with a manifest is published."""
    found = {uri.split("/")[-2]: uri for uri in storage.in_folders(output, RUN_FOLDER, manifest.NAME)}
    return {run_id: found[run_id] for run_id in sorted(found, key=_order)}


def same_run(
    storage: Storage, runs: Mapping[str, str], run_date: str, fingerprints: Mapping[str, Any]
) -> Optional[str]:
    """The run of that date that was made from just these inputs, model, schema and policy, if there is one."""
    for run_id, uri in runs.items():
        if _order(run_id)[0] == run_date and _manifest(storage, uri).get("fingerprints") == fingerprints:
            return run_id
    return None


def _manifest(storage: Storage, uri: str) -> dict[str, Any]:
    try:
        found = json.loads(storage.read(uri))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise HandOffError(f"{uri}: is not what a run wrote there; move the folder away or give another --output")
    return found


def hold_free(storage: Storage, output: str, run_id: str) -> None:
    """Raise `HandOffError` if a folder that no run made stands where this run is to be published."""
    final = join(output, run_id)
    below = join(storage.canonical(final), "")
    # to `find` it may be a glob, which names other folders
    if any(f"{file.uri}/".startswith(below) for file in storage.find(final)):
        raise HandOffError(
            f"{final}: is there, but no run made it (it has no {manifest.NAME}); move it away or give another --output"
        )


def next_run_id(runs: Mapping[str, str], run_date: str) -> str:
    """The date, or the date with the next number when it is taken."""
    taken = max((number for date, number in map(_order, runs) if date == run_date), default=0)
    return run_date if not taken else f"{run_date}.{taken + 1}"


def set_latest(storage: Storage, output: str, runs: Mapping[str, str]) -> Optional[str]:
    """Make `latest.json` name the newest of the published `runs`, if any: that of the last date, and of several its last."""
    if not runs:
        return None
    run_id = list(runs)[-1]
    document = {"run_id": run_id, "path": f"{run_id}/{manifest.NAME}", "actions": f"{run_id}/actions.csv"}
    text = (json.dumps(document) + "\n").encode()
    try:
        if storage.read(join(output, LATEST)) == text:
            return run_id
    except FileNotFoundError:
        pass
    storage.write(join(output, LATEST), text)
    return run_id


def _order(run_id: str) -> tuple[str, int]:
    match = RUN_FOLDER.match(run_id)
    assert match  # noqa: S101 - what `published` found
    return match[1], int(match[2] or 1)
