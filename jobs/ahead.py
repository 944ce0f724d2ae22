"""PROGRAM: `score`, with its JVM started while Python still loads what it needs (docs/decisions/0017)."""

import jobs.needs  # noqa: F401 - before all that it looks for

# isort: split
import runpy
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Optional

import click

from jobs import cli, jvm, program
from jobs.handoff import inputs, uris


def size_of(arguments: list[str]) -> Optional[int]:
    """The bytes in the inputs that a command line of `score` names, about; None where the disk alone does not tell."""
    # resilient: what is wrong with it, and --help, are for the program
    command = click.Command("score", params=cli.OPTIONS)
    said = command.make_context("score", [*arguments], resilient_parsing=True).params
    given = tuple(uri.replace("{run_date}", said["run_date"]) for uri in said["input"])
    uris.check(("input", uri) for uri in given)  # an empty one would be the folder in which this runs, and all below it
    if any(uris.scheme_of(uri) not in ("", "file") for uri in given):
        return None
    return inputs.find(given).unpacked


def score() -> Mapping[str, Any]:
    """Begin the JVM and run the program that the command line names first, which ends this process."""
    del sys.argv[0]
    for number in program.INTERRUPTED:
        signal.signal(number, program.end_at_once)
    with suppress(Exception):  # what is wrong with the input the program itself tells
        size = size_of(sys.argv[1:])
        if size is not None:
            jvm.begin(size)
    return runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    program.run(score)  # a signal may come before the program itself looks after those
