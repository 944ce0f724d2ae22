"""What travels to the cluster: our code as a zip, and packages as unpacked archives. Same contents, same bytes."""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
import importlib.util
import io
import os
import tarfile
import zipfile
from dataclasses import dataclass

from jobs.errors import UsageError

CODE_ARCHIVE = "nightly-actions.zip"
NOT_SENT = ("jobs/emr/", "jobs/launch.py")  # the launcher's own code: changing it must not change the run key
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold; real times would change its name every build


@dataclass(frozen=True)
class Artefact:
    """Bytes with a file name; `path` is the content-addressed place below the staging prefix, `contents` tells the same run."""

    name: str
    body: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    @property
    def contents(self) -> str:
        """SHA-256 of what is in it: another zlib makes other bytes of the same."""
        packed = self.name.endswith(".gz")
        return hashlib.sha256(gzip.decompress(self.body) if packed else self.body).hexdigest()

    @property
    def path(self) -> str:
        return f"artefacts/{self.sha256}/{self.name}"


def code_archive() -> Artefact:
    """The zip for `--py-files`: jobs/, schemas/ and click, which a Python 3.9 cluster lacks."""
    files: dict[str, bytes] = {}
    _check_click()
    for name in ("jobs", "schemas", "click"):
        files |= _tree(_folder(name), name)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:  # stored, so that any zlib makes the same
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    return Artefact(CODE_ARCHIVE, buffer.getvalue())


def entry_point(program: str) -> Artefact:
    """The program's own file: spark-submit takes its main file beside the zip, not out of it."""
    path = os.path.join(_folder("jobs"), f"{program}.py")
    try:
        with open(path, "rb") as file:
            return Artefact(f"{program}.py", file.read())
    except FileNotFoundError as error:
        raise UsageError(f"this installation has no {path}") from error


def archive_of(folder: str, *, name: str) -> Artefact:
    """A folder as a .tar.gz with no time, owner or order of its own in it."""
    files = _tree(folder, "")
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, filename="") as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for path in sorted(files):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.mtime = len(files[path]), 0o644, 0
            archive.addfile(entry, io.BytesIO(files[path]))
    return Artefact(name, buffer.getvalue())


def _tree(folder: str, root: str) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for directory, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in names:
            path = os.path.join(directory, name)
            inside = "/".join(part for part in (root, os.path.relpath(path, folder).replace(os.sep, "/")) if part)
            if name.endswith(".pyc") or inside.startswith(NOT_SENT):
                continue
            with open(path, "rb") as file:
                files[inside] = file.read()
    return files


def _folder(package: str) -> str:
    """Where a package lies, without importing it: the launcher needs its files only."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise UsageError(f"the package {package} is not installed as files; install nightly-actions again")
    return os.path.dirname(spec.origin)


def _check_click() -> None:
    version = importlib.metadata.version("click")
    if not version.startswith("8.1."):
        raise UsageError(f"click {version} does not run on the Python 3.9 of EMR 7; install click 8.1 here")
