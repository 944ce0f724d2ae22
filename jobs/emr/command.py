"""The command after `--`: an ordinary submit.sh command, made fit to run on machines that lack this one's files."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Reader = Callable[[str, Sequence[str]], Sequence["Option"]]

TRAVELS = ("--schema", "--policy", "--py-files")  # a local path here is uploaded
REMOTE = ("--input", "--model", "--output")  # these must already be where the cluster can reach them
_SECRET = re.compile(r"(secret|password|passwd|token|access[._]?key|credential)", re.IGNORECASE)
# what stands before an =: --conf, a setting, a property of the JVM inside one
_SETTING = re.compile(r"[^\s=/?&]+(?==)")
_SECRET_VALUE = re.compile(
    r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|(?i:s3a?://[^/\s]*[:@])|://[^/\s]*:[^/\s]*@"  # key:secret@bucket, as the job itself refuses it; user:password@host
    r"|(?i:[?&](x-amz-(credential|signature|security-token)|awsaccesskeyid|signature)=)"  # a signed address
)


@dataclass(frozen=True)
class Program:
    """A program the launcher can send, the option that says where its result goes, and whether it reports its end."""

    place: str
    writes_status: bool


PROGRAMS = {"score": Program("--output", True), "train": Program("--model", False)}
Option = tuple[str, "str | None"]


@dataclass(frozen=True)
class Command:
    """A program and its options with the run date fixed; `files` are the local paths among those and the `py_files`."""

    program: str
    options: tuple[Option, ...]
    spark: tuple[str, ...]
    py_files: tuple[str, ...]  # modules of the model's own Python stages
    today: str

    def value(self, name: str) -> str | None:
        """The last value of an option, as the program would take it."""
        return next((value for option, value in reversed(self.options) if option == name), None)

    @property
    def run_date(self) -> str:
        """That of the program's options; one that has none, as `train`, is named after the day it is sent."""
        return self.value("--run-date") or self.today

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
        named = [value for name, value in self.options if name in TRAVELS and value]
        return tuple(file for file in (*named, *self.py_files) if _here(file) is not None)

    def arguments(self, uploaded: Mapping[str, str]) -> tuple[str, ...]:
        """The program's arguments, each local path replaced by the URI it was uploaded to."""
        words: list[str] = []
        for name, value in self.options:
            words.append(name)
            if value is not None:
                words.append(uploaded.get(value, value) if name in TRAVELS else value)
        return tuple(words)


def parse(words: Sequence[str], *, read: Reader, today: str) -> Command:
    """Reads `score --model …`; `read` takes a program's name and words to its options, as the program itself does.

    Raises UsageError for an unknown program, a missing file, a local path that cannot travel, or a credential.
    """
    if not words or words[0] not in PROGRAMS:
        raise UsageError(f"after -- comes a command of submit.sh ({' or '.join(PROGRAMS)}), not {list(words[:1])}")
    rest, apart = _parted(words[1:])
    spark = [word for text in apart["--spark"] for word in _settings(text)]
    shipped = [_here(file) or file for text in apart["--py-files"] for file in text.split(",") if file]
    _check_secrets([*rest, *shipped], spark)
    options = read(words[0], rest)
    _check_secrets([value or "" for _, value in options])  # those of a configuration file
    command = Command(words[0], tuple(_found(options)), tuple(spark), tuple(shipped), today)
    _check_places(command)
    _check_spark(command.spark)
    return command


def _parted(words: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The words for the program; and the values of the options that submit.sh takes out for spark-submit here too."""
    rest: list[str] = []
    apart: dict[str, list[str]] = {"--spark": [], "--py-files": []}
    left = iter(words)
    for word in left:
        name, equals, value = word.partition("=")
        if name not in apart:
            rest.append(word)
            continue
        taken = value if equals else next(left, None)
        if taken is None:
            raise UsageError(f"{name} needs a value")
        apart[name].append(taken)
    return rest, apart


def _settings(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:  # not echoed: it may hold a credential
        raise UsageError("--spark: a quote is not closed") from error


def _found(options: Sequence[Option]) -> Iterator[Option]:
    """The options, each local file that travels by its path, with the run date filled in where the program does."""
    date = dict(options).get("--run-date")
    for name, value in options:
        if name in TRAVELS and value:
            dated = value.replace("{run_date}", date) if date else value
            yield name, _here(dated) or dated
        else:
            yield name, value


def _check_places(command: Command) -> None:
    for name, value in (*command.options, *(("--py-files", file) for file in command.py_files)):
        if value is None or (name in TRAVELS and _here(value) is not None):
            continue
        if name in (*TRAVELS, *REMOTE) and not re.match(r"s3a?://", value, re.IGNORECASE):
            raise UsageError(f"{name} {value} is not in S3, where EMR can reach it; copy it to s3:// first")
    for path in command.files:
        if not os.path.isfile(path):
            raise UsageError(f"there is no file {path}")


def _check_spark(words: Sequence[str]) -> None:
    for word in words:
        for name in (word, *_SETTING.findall(word)):
            if name in ("--master", "--deploy-mode", "spark.master", "spark.submit.deployMode"):
                raise UsageError(f"{name} in --spark: EMR decides where the job runs; leave it out")
            if name in ("--py-files", "spark.submit.pyFiles"):
                raise UsageError(
                    f"{name} in --spark would take the place of the job's own code; give --py-files outside it"
                )
            if name in ("--archives", "spark.archives"):
                raise UsageError(
                    f"{name} in --spark would take the place of the job's own packages; give `emr` --requirements"
                )
            if name == "spark.yarn.submit.waitAppCompletion":
                raise UsageError(f"{name} in --spark: a step that does not wait tells nothing of the job; leave it out")


def _check_secrets(words: Sequence[str], spark: Sequence[str] = ()) -> None:
    """Arguments are shown in consoles, logs and histories of EMR; nothing secret may be among them.

    What is refused is not echoed. A name alone tells a secret in Spark's settings only: a bucket may be called tokens.
    """
    leaking = next((name for word in spark for name in _SETTING.findall(word) if _SECRET.search(name)), None)
    if leaking or any(_SECRET_VALUE.search(word) for word in (*words, *spark)):
        raise UsageError(
            f"a credential in the command ({leaking or 'an access key id, or one in a URI'}) would be shown by EMR to "
            "everyone who can list jobs; give the job's role the right instead"
        )


def _here(uri: str) -> str | None:
    """The path of a file on this machine, spelt as the job itself takes it; None for what is elsewhere."""
    path = re.sub(r"^file://(localhost)?(?=/)", "", uri, flags=re.IGNORECASE)
    return None if re.match(r"[a-z][a-z0-9+.-]*://", path, re.IGNORECASE) else path


def read_file(path: str) -> bytes:
    """The contents of one of a command's local files. Raises UsageError."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); check the rights") from error
