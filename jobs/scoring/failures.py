"""What Spark's own failures mean to the operator, told from what its deepest cause says."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from jobs.contract.agreed import Options
from jobs.errors import HandOffError, InputRefusedError, JobError, ModelMismatchError, UsageError

# in the order they are tried: pattern of the whole text, the kind of error, and what to say
KNOWN: tuple[tuple[str, type[JobError], str], ...] = (
    (
        r"NoSuchBucket|Unable to locate credentials|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken",
        UsageError,
        "the store does not know this bucket or these credentials",
    ),
    (
        r"EOFException|ZipException|incorrect (header|data) check|not a gzip|org\.apache\.parquet|CANNOT_READ_FILE_FOOTER",
        InputRefusedError,
        "an input file is cut off or damaged",
    ),
    (r"FileNotFoundException|does not exist", InputRefusedError, "an input file has gone since it was listed"),
    (r"No space left on device", HandOffError, "the disk is full"),
    (
        r"AccessDenied|Access Denied|Forbidden|status code: 403|Permission denied|\(403\)",
        HandOffError,
        "access is denied",
    ),
    (r"Read-only file system", HandOffError, "the output cannot be written"),
    (
        r"SlowDown|Service ?Unavailable|InternalError|status code: 50\d|\(50\d\)|Unable to execute HTTP request"
        r"|Could not connect to the endpoint|Connection (was closed|reset)|Read timeout|IncompleteRead",
        HandOffError,
        "the store did not answer",
    ),
    (r"MLUtils|org\.apache\.spark\.ml|PythonException", ModelMismatchError, "a stage of the model failed on a row"),
    (
        r"GeneratedClass|catalyst\.(expressions|util)|Spark\w+Exception: \[|DateTimeFormatter|IllegalArgumentException",
        ModelMismatchError,
        "an expression of the policy failed on a row",
    ),
)


@contextmanager
def explained(options: Options) -> Iterator[None]:
    """Turn a failed Spark job into a `JobError` that says what, where and the cure, where that is known."""
    try:
        yield
    except JobError:
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {error}\n{getattr(error, '_stackTrace', '') or ''}"
        for pattern, kind, meaning in KNOWN:
            if re.search(pattern, text):
                raise kind(f"{meaning}: {_cause(text)}; {_where(text, options)}; nothing was published") from error
        raise


def _cause(text: str) -> str:
    causes = re.findall(r"^Caused by: (.*)$", text, flags=re.MULTILINE)
    lines = [line.strip() for line in (causes or text.splitlines()) if line.strip()]
    return (lines[-1] if causes else lines[0])[:300] if lines else "no message"


def _where(text: str, options: Options) -> str:
    match = re.search(r"reading file:? (\S+?)\.?\s", text + " ") or re.search(
        r"((?:file|s3a?):/\S+?)[\s,;'\"]", text + " "
    )
    return (
        f"see {match[1]}"
        if match
        else "among model, schema, policy, inputs and output: "
        + ", ".join((options.model, options.schema, options.policy, *options.inputs, options.output))
    )
