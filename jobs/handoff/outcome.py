"""What is true of a run that is interrupted: the store knows it, as a signal may come in the step that publishes."""

from typing import Optional

from jobs.handoff.storage import storage_for

NOTHING = "nothing was published"


class _Run:
    """The run folder that this process makes public, and the file by which it is published; None before that."""

    folder: Optional[str] = None
    manifest: str = ""


def publishing(folder: Optional[str], manifest: str = "") -> None:
    """Note that from now on the run may be published; and with None, as a run begins, that it is not."""
    _Run.folder, _Run.manifest = folder, manifest


def told() -> str:
    """Whether the run is published, in words, with what is left to do."""
    if _Run.folder is None:
        return NOTHING
    try:
        published = storage_for(_Run.folder).exists(_Run.manifest)
    except OSError as error:
        return f"whether {_Run.folder} is published cannot be seen ({error}); run again, which sees to it"
    if not published:
        return NOTHING
    return f"{_Run.folder} is published; run again, which sets latest.json if that does not name it yet"
