"""What Spark's own failures mean to the operator, told from what its deepest cause says."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Optional

from jobs.contract.agreed import Options
from jobs.errors import HandOffError, InputRefusedError, JobError, ModelMismatchError, UsageError

DENIED = r"AccessDenied|Access Denied|Forbidden|[Ss]tatus [Cc]ode: 403|Permission denied|\(403\)"
AWAY = (
    r"SlowDown|Service ?Unavailable|InternalError|[Ss]tatus [Cc]ode: 50\d|\(50\d\)|Unable to execute HTTP request"
    r"|Could not connect to the endpoint|Connection (was closed|reset)|Read timeout|IncompleteRead"
    r"|Connection broken|Premature end of|SdkClientException|AWSClientIOException|^ConnectionError"
)
GONE = r"FileNotFoundException|does not exist"
# Java's search calls itself for each repetition of a group with alternatives
DEEP = r"StackOverflowError\n(\s+at .*\n)*?\s+at \S*java\.util\.regex"
# a policy has no functions of a user's own
STAGE = r"MLUtils|org\.apache\.spark\.ml|PythonException|FAILED_EXECUTE_UDF|failedExecuteUserDefinedFunction"
# in the order they are tried: pattern of the whole text, the kind of error, and what to say
KNOWN: tuple[tuple[str, type[JobError], str], ...] = (
    (
        DEEP,
        UsageError,
        "a regular expression needs more stack than there is for so long a cell; repeat no alternatives in it "
        "([a-z0-9]+, not ([a-z]|[0-9])+), or, if it is a pattern of the schema, give its column a maxLength",
    ),
    (
        r"NoSuchBucket|Unable to locate credentials|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken",
        UsageError,
        "the store does not know this bucket or these credentials",
    ),
    (DENIED, HandOffError, "access is denied, check the rights"),
    (AWAY, HandOffError, "the store did not answer, run again when it does"),
    (
        r"EOFException|ZipException|incorrect (header|data) check|not a gzip|org\.apache\.parquet|CANNOT_READ_FILE_FOOTER",
        InputRefusedError,
        "an input file is cut off or damaged",
    ),
    (GONE, InputRefusedError, "an input file has gone since it was listed"),
    (
        r"OutOfMemoryError",
        UsageError,
        "there is not enough memory, give more (--spark '--driver-memory 4g --executor-memory 8g')",
    ),
    (r"No space left on device", HandOffError, "the disk is full, make room and run again"),
    (r"Read-only file system", HandOffError, "the output cannot be written, give another --output"),
    (
        STAGE,
        ModelMismatchError,
        "a stage of the model failed on a row, keep such rows from it by constraints of the schema (as required or minimum)",
    ),
    (
        r"GeneratedClass|catalyst\.(expressions|util)|Spark\w+Exception: \[|DateTimeFormatter|IllegalArgumentException",
        ModelMismatchError,
        "an expression of the policy failed on a row, let it give null there (try_…, CASE WHEN …)",
    ),
)


@contextmanager
def explained(options: Options, damaged: Callable[[], Optional[str]] = lambda: None) -> Iterator[None]:
    """Turn a failed Spark job into a `JobError` that says what, where and the cure, where that is known.

    `damaged` finds an input file that cannot be read: Spark names the file that it writes instead.
    """
    try:
        yield
    except JobError:
        raise
    except Exception as error:
        text = _text(error)
        for pattern, kind, meaning in KNOWN:
            if re.search(pattern, _without_frames(text) if pattern in (DENIED, AWAY) else text):
                uri = _uri(text)
                if kind is ModelMismatchError:
                    uri = options.model if pattern == STAGE else options.policy
                elif uri and _is_below(uri, options.output) and kind is not HandOffError:
                    uri = damaged() if kind is InputRefusedError else None  # not what was being written
                if pattern == DENIED and uri and not _is_below(uri, options.output):
                    kind = UsageError  # what the options name is not there for this user
                raise kind(f"{meaning}: {cause(error)}; {_where(uri, options)}; nothing was published") from error
        raise


def is_the_stores(error: Exception) -> bool:
    """Whether the store that holds a file is to blame, and not what is in it."""
    return bool(re.search(f"{DENIED}|{AWAY}", _without_frames(_text(error))))


def is_gone(error: Exception) -> bool:
    """Whether a file is not there any more."""
    return bool(re.search(GONE, _text(error)))


def cause(error: Exception) -> str:
    """The first line of what its deepest cause says; of a Python worker's traceback the last, which is the exception."""
    text = _text(error)
    # py4j says first that an error occurred, and in the next line which
    causes: list[str] = re.findall(r"^(?:Caused by)?: (.*)$", text, flags=re.MULTILINE)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = causes[-1] if causes else lines[0]
    raised = (
        re.search(re.escape(said) + r"\n(?:[ \t].*\n)+(\S.*)", text)
        if said.endswith("(most recent call last):")
        else None
    )
    return (raised[1] if raised else said)[:300]


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}\n{getattr(error, '_stackTrace', '') or ''}"


def _without_frames(text: str) -> str:
    """What the exceptions say: among the methods that threw them is Spark's own `withInternalError`."""
    return re.sub(r"^\s+at .*$", "", text, flags=re.MULTILINE)


def _is_below(uri: str, folder: str) -> bool:
    return f"{_place(uri)}/".startswith(f"{_place(folder)}/")


def _place(uri: str) -> str:
    return re.sub(r"^(s3a?|file):/+", "", uri).strip("/")


def _uri(text: str) -> Optional[str]:
    # what S3A was about says more than what the task was writing
    asked = r" (?:on|No such file or directory:) (s3a://.+?)(?:: |\n)"
    for pattern in (r"reading file:? (\S+?)\.?\s", asked, r"((?:file|s3a?):/\S+?):?[\s,;'\"]"):
        if match := re.search(pattern, text + " "):
            return match[1]
    return None


def _where(uri: Optional[str], options: Options) -> str:
    named = ", ".join((options.model, options.schema, options.policy, *options.inputs, options.output))
    return f"see {uri}" if uri else f"look at model, schema, policy, inputs and output: {named}"
