"""The JSON that people write: schema, policy, --config. A name that stands twice is refused, where Python keeps the last."""

import json
from typing import Any

from jobs.errors import UsageError


class AsWritten(float):
    """A JSON number whose text is the one that stands in the file: a decimal's bound may have more digits than a float."""

    text: str

    def __new__(cls, text: str) -> "AsWritten":
        """The number that `text` reads as."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __repr__(self) -> str:
        """The text."""
        return self.text


def parse(text: str, where: str) -> Any:
    """What JSON `text` holds; `where` names it in errors. Raises `UsageError`."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise UsageError(f"{where}: {name!r} appears twice; keep one")
            found[name] = value
        return found

    try:
        return json.loads(text, object_pairs_hook=members, parse_float=AsWritten)
    except ValueError as error:
        raise UsageError(f"{where}: not JSON ({error}); correct it") from error
    except RecursionError as error:
        raise UsageError(f"{where}: nested too deeply; correct it") from error


def load(path: str, option: str) -> Any:
    """What the JSON file at `path` holds, as given with `option`. Raises `UsageError`."""
    where = f"{option} {path}"
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{where}: cannot be read ({error}); check the path, and that it is UTF-8") from error
    return parse(text, where)
