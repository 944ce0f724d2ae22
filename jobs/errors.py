"""The exceptions a program may end with, each with the exit code it stands for.

A message is one line: what went wrong, where, and the cure. Programs print it and exit with `exit_code`;
anything that is not a `JobError` is a bug or the platform, exit code 1.
"""


class JobError(Exception):
    """Something the operator can act on. `summary` is what the run can say of itself up to here."""

    exit_code = 1
    summary: "dict[str, object] | None" = None


class UsageError(JobError):
    """An option, a file that is not there, a schema or policy that does not parse."""

    exit_code = 2


class InputRefusedError(JobError):
    """The input is refused: too many rejects, no rows, a header that does not fit."""

    exit_code = 3


class ModelMismatchError(JobError):
    """The model does not fit: schema, Spark version, missing Python class, policy column."""

    exit_code = 4


class HandOffError(JobError):
    """The hand-off failed: cannot write, or what was written could not be verified. Nothing was published."""

    exit_code = 5


class RunUnderWayError(JobError):
    """Another run of the same output is under way."""

    exit_code = 6
