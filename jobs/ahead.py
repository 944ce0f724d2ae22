"""PROGRAM: `score`, with its JVM started while Python still loads what it needs (docs/decisions/0017)."""

import runpy
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from typing import Any, Optional

from jobs import jvm, program
from jobs.handoff import inputs
from jobs.handoff.storage import scheme_of


def size_of(arguments: list[str]) -> Optional[int]:
    """The bytes in the inputs that the command line names, about; None where it or the disk alone does not tell."""

    def given(option: str) -> list[str]:
        return [value for name, value in zip(arguments, arguments[1:]) if name == option]

    dates = given("--run-date") or [date.today().isoformat()]
    uris = tuple(uri.replace("{run_date}", dates[-1]) for uri in given("--input"))
    if not uris or any(scheme_of(uri) not in ("", "file") for uri in uris):
        return None
    return inputs.find(uris).unpacked


def score() -> Mapping[str, Any]:
    """Begin the JVM and run the program that the command line names first, which ends this process."""
    del sys.argv[0]
    with suppress(Exception):  # what is wrong with the input the program itself tells
        size = size_of(sys.argv)
        if size is not None:
            jvm.begin(size)
    return runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    program.run(score)  # a signal may come before the program itself looks after those
