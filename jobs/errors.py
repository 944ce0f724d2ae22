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
    """The hand-off failed: cannot write, or what was written could not be verified. Nothing was published, or the message says so."""

    exit_code = 5


class RunUnderWayError(JobError):
    """Another run of the same output is under way."""

    exit_code = 6


class SubmissionError(JobError):
    """The EMR API would not take the job, or could not be asked: nothing runs as far as is known."""

    exit_code = 10


class RunCancelledError(JobError):
    """The job was cancelled, by this launcher or by somebody else."""

    exit_code = 11


class RunTimedOutError(JobError):
    """The job ran past `--timeout` and was cancelled."""

    exit_code = 12


class LostContactError(JobError):
    """The API gave no answer for too long: the job may still be running."""

    exit_code = 13


class DetachedError(JobError):
    """The launcher was told to stop waiting: the job may still be running."""

    exit_code = 14


class RemoteRunError(JobError):
    """A job that ran elsewhere failed; carries that job's own exit code where it is known, else 1."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
