"""Why a job failed, in one screen: the API's reason first, then the job's own words, then where the logs are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jobs.emr.logs import masked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.emr.request import Snapshot

WIDTH = 400  # characters of one reason; the whole is in the log
_PYTHON = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt)\b(?::.*)?$")
_CAUSED = re.compile(r"^\s*Caused by: (.*)$")
HINTS: tuple[tuple[str, str], ...] = (
    (
        r"AccessDenied|Access Denied|not authorized|403 Forbidden|Status Code: 403",
        "the job's role lacks a right: compare it with docs/iam/job-role.json",
    ),
    (
        r"no saved model|metadata.*(does not exist|not found)|Input path does not exist.*metadata",
        "there is no saved model at --model as seen from the cluster: check the URI and the role's right to read it",
    ),
    (
        r"(?i)insufficient.*capacity|out of capacity|INSTANCE_FLEET_TIMEOUT|capacity.*(exceed|not available|limit)|"
        r"CLUSTER_UNAVAILABLE|exceeded.*maximumCapacity",
        "no capacity: allow more instance types or zones in the cluster spec, raise the maximum, or try later",
    ),
    (
        r"No module named|ModuleNotFoundError|SyntaxError|PYTHON_VERSION_MISMATCH|"
        r"different (minor )?version.*[Pp]ython|Cannot run program .*python",
        "wrong Python or a missing package: packages of your own travel with --requirements FILE",
    ),
    (
        r"OutOfMemoryError|OOMKilled|beyond the '?(physical|PHYSICAL)|Container killed by YARN|"
        r"exit(ed with)?( status| code)? 137|Exit code is 143",
        "out of memory: --spark '--driver-memory 4g --executor-memory 8g', or more memory per worker",
    ),
)


def screen(
    *,
    snapshot: Snapshot,
    place: str,
    status: Mapping[str, Any] | None,
    logs: Mapping[str, str],
    log_places: Sequence[str],
) -> str:
    """The lines to show for a failed job. The API's own reason is first and always there, however late the logs are."""
    text = "\n".join(logs.values())
    lines = [f"{place}: {snapshot.state}: {_short(snapshot.reason) or 'EMR gives no reason'}"]
    own = status.get("error") if status else None
    if own:
        lines.append(f"the job says: {_short(str(own))}")
    else:
        python, cause = root_cause(text)
        lines += [f"Python: {_short(python)}"] if python else []
        lines += [f"deepest cause: {_short(cause)}"] if cause else []
    where = list(logs) or [f"{prefix} (nothing there yet)" for prefix in log_places]
    lines += [f"log: {uri}" for uri in where] or ["log: EMR keeps none here; give the cluster a LogUri"]
    hint = hint_for("\n".join([snapshot.reason, str(own or ""), text]))
    lines += [f"hint: {hint}"] if hint else []
    return masked("\n".join(lines))


def root_cause(text: str) -> tuple[str, str]:
    """The last Python exception line and the last, that is deepest, `Caused by` of the last chain; "" where none."""
    python = cause = ""
    for line in text.splitlines():
        if _PYTHON.match(line):
            python = line.strip()
        elif match := _CAUSED.match(line):
            cause = match[1].strip()
    return python, cause


def hint_for(text: str) -> str | None:
    """A cure for the failures that are known, else None."""
    return next((hint for pattern, hint in HINTS if re.search(pattern, text)), None)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"
