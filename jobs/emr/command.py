"""The command after `--`: an ordinary submit.sh command, made fit to run on machines that lack this one's files."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs import documents
from jobs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FLAGS = {"--force", "--dry-run"}
TRAVELS = ("--schema", "--policy")  # a local path here is uploaded
REMOTE = ("--input", "--model", "--output")  # these must already be where the cluster can reach them
_SECRET = re.compile(r"(secret|password|passwd|token|access\.?key|credential)", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b")


@dataclass(frozen=True)
class Program:
    """A program the launcher can send, the option that says where its result goes, and whether it reports its end."""

    place: str
    writes_status: bool


PROGRAMS = {"score": Program("--output", True), "train": Program("--model", False)}
Option = tuple[str, "str | None"]


@dataclass(frozen=True)
class Command:
    """A program and its options with the run date fixed; `files` are the local paths among them."""

    program: str
    options: tuple[Option, ...]
    spark: tuple[str, ...]

    def value(self, name: str) -> str | None:
        """The last value of an option, as the program would take it."""
        return next((value for option, value in reversed(self.options) if option == name), None)

    @property
    def run_date(self) -> str:
        return self.value("--run-date") or ""

    @property
    def place(self) -> str:
        """Where the result goes."""
        return self.value(PROGRAMS[self.program].place) or ""

    @property
    def model(self) -> str | None:
        """The saved model it reads, with the run date filled in; None for a program that makes one."""
        model = self.value("--model") if self.program == "score" else None
        return model.replace("{run_date}", self.run_date) if model else None

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(value for name, value in self.options if name in TRAVELS and value and not _is_remote(value))

    def arguments(self, uploaded: Mapping[str, str]) -> tuple[str, ...]:
        """The program's arguments, each local path replaced by the URI it was uploaded to."""
        words: list[str] = []
        for name, value in self.options:
            words.append(name)
            if value is not None:
                words.append(uploaded.get(value, value) if name in TRAVELS else value)
        return tuple(words)


def parse(words: Sequence[str], *, today: str) -> Command:
    """Reads `score --model …`; a configuration file is opened here and its contents become options.

    Raises UsageError for an unknown program, a missing file, a local path that cannot travel, or a credential.
    """
    if not words or words[0] not in PROGRAMS:
        raise UsageError(f"after -- comes a command of submit.sh ({' or '.join(PROGRAMS)}), not {list(words[:1])}")
    options = _with_config(_options(words[1:]))
    try:
        spark = [word for name, value in options if name == "--spark" for word in shlex.split(value or "")]
    except ValueError as error:  # not echoed: it may hold a credential
        raise UsageError("--spark: a quote is not closed") from error
    options = [(name, value) for name, value in options if name != "--spark"]
    if not any(name == "--run-date" for name, _ in options):
        # fixed here: the cluster's clock and time zone must not change which run this is
        options.append(("--run-date", today))
    command = Command(words[0], tuple(options), tuple(spark))
    _check_places(command)
    _check_spark(command.spark)
    _check_secrets(words, command)
    return command


def _options(words: Sequence[str]) -> list[Option]:
    options: list[Option] = []
    rest = list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if not name.startswith("--"):
            raise UsageError(f"expected an option, not {name!r}; quote values that contain spaces")
        if name in FLAGS:
            options.append((name, None))
        elif equals:
            options.append((name, value))
        elif rest:
            options.append((name, rest.pop(0)))
        else:
            raise UsageError(f"{name} needs a value")
    return options


def _with_config(options: list[Option]) -> list[Option]:
    path = next((value for name, value in reversed(options) if name == "--config"), None)
    given = [(name, value) for name, value in options if name != "--config"]
    if path is None:
        return given
    named = {name for name, _ in given}
    return [*(option for option in _config_options(path) if option[0] not in named), *given]


def _config_options(path: str) -> list[Option]:
    config = documents.load(path, "--config")
    if not isinstance(config, dict):
        raise UsageError(f"--config {path} must be a JSON object of option names and values")
    options: list[Option] = []
    for key, setting in config.items():
        name = "--" + key.lstrip("-").replace("_", "-")
        for value in setting if isinstance(setting, list) else [setting]:
            if name in FLAGS:
                options += [(name, None)] if value else []
            elif value is not None:
                options.append((name, str(value)))
    return options


def _check_places(command: Command) -> None:
    if not command.place:
        raise UsageError(f"{command.program} needs {PROGRAMS[command.program].place} URI")
    for name, value in command.options:
        if name in REMOTE and value and not _is_remote(value):
            raise UsageError(f"{name} {value} is on this machine, where EMR cannot reach it; copy it to s3:// first")
    for path in command.files:
        if not os.path.isfile(_local(path)):
            raise UsageError(f"there is no file {path}")


def _check_spark(words: Sequence[str]) -> None:
    for word in words:
        if word.partition("=")[0] in ("--master", "--deploy-mode"):
            raise UsageError(f"{word} in --spark: EMR decides where the job runs; leave it out")


def _check_secrets(words: Sequence[str], command: Command) -> None:
    """Arguments are shown in consoles, logs and histories of EMR; nothing secret may be among them."""
    named = [word.partition("=")[0] for word in command.spark]
    leaking = next((name for name in named if _SECRET.search(name)), None)
    if leaking or any(_SECRET_VALUE.search(word) for word in words):
        raise UsageError(
            f"a credential in the command ({leaking or 'an access key id'}) would be shown by EMR to everyone who can "
            "list jobs; give the job's role the right instead"
        )


def _is_remote(value: str) -> bool:
    return "://" in value and not value.startswith("file://")


def _local(path: str) -> str:
    return path[len("file://") :] if path.startswith("file://") else path


def read_file(path: str) -> bytes:
    """The contents of one of a command's local files."""
    with open(_local(path), "rb") as file:
        return file.read()
