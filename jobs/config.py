"""PROGRAM: `--config FILE`, the options of a command as JSON, apart from the manners that all programs share."""

import os
from typing import Any, Optional

import click

from jobs import documents
from jobs.errors import UsageError

NUMBERS = {"max_rejects", "min_rows"}  # which people write with quotes and without


def option(context: click.Context, _: click.Parameter, path: Optional[str]) -> Optional[str]:
    """Callback for `--config FILE`: a JSON object of the command's own option names; the command line wins."""
    if path is None:
        return None
    # as <(…): it is read here and by submit.sh, and can be once only
    if os.path.exists(path) and not os.path.isfile(path):
        raise UsageError(f"--config {path}: is not a file on the disk; write it to one")
    found = documents.load(path, "--config")
    if not isinstance(found, dict):
        raise UsageError(f"--config {path}: must be a JSON object of option names and values")
    named = {str(key).replace("-", "_"): value for key, value in found.items()}
    allowed = {str(parameter.name): parameter for parameter in context.command.params if parameter.name != "config"}
    if len(named) < len(found):
        raise UsageError(f"--config {path}: an option appears twice, with _ and with -; keep one")
    unknown = sorted(set(named) - set(allowed))
    if unknown:
        listed = sorted(name for name, parameter in allowed.items() if not getattr(parameter, "hidden", False))
        raise UsageError(f"--config {path}: no option {unknown[0]!r}; use {', '.join(listed).replace('_', '-')}")
    for name, value in named.items():
        # click would make a text of anything, and a folder of that name
        if wanted := _not_taken(allowed[name], value):
            raise UsageError(f"--config {path}: {name.replace('_', '-')!r} takes {wanted}; correct it, or leave it out")
    several = {name for name, parameter in allowed.items() if parameter.multiple}
    context.default_map = {
        name: [value] if name in several and isinstance(value, str) else value for name, value in named.items()
    }
    return path


def _not_taken(parameter: click.Parameter, value: Any) -> Optional[str]:
    """What the option takes, if `value` is no such thing."""
    if getattr(parameter, "is_flag", False):
        return None if isinstance(value, bool) else "true or false"
    if parameter.name in NUMBERS:
        return None if type(value) in (int, str) else "a whole number or a text"
    if isinstance(value, str):
        return None
    if not parameter.multiple:
        return "a text"
    listed = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return None if listed else "a text or a list of texts"
