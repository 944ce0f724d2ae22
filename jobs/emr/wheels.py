"""Python packages for the cluster, built from wheels for its Python and processor, without Docker."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from jobs.emr import package, release
from jobs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

PLATFORMS = {
    "x86_64": ("manylinux2014_x86_64", "manylinux_2_28_x86_64"),
    "aarch64": ("manylinux2014_aarch64", "manylinux_2_28_aarch64"),
}
# botocore carries 25 MB of descriptions of services that the job never calls
SERVICES_KEPT = {"s3", "sts"}
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;#]+)$")


def job_archive(target: release.Release, *, architecture: str) -> package.Artefact:
    """boto3 for the job itself, unpacked on the cluster because botocore reads its data from real files."""
    return _archive("deps.tar.gz", release.JOB_PACKAGES, target, architecture)


def extra_archive(path: str, target: release.Release, *, architecture: str) -> package.Artefact:
    """The packages that a custom pipeline stage needs, from a requirements file in which everything is pinned.

    UsageError for a line that is not `name==version`, for a package that has no wheel for the release's Python,
    and for one that is needed but not listed: an unpinned package would be another one tomorrow.
    """
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.partition("#")[0].strip() for line in file]
    except OSError as error:
        raise UsageError(f"cannot read --requirements {path}: {error.strerror}") from error
    pins = [line for line in lines if line]
    loose = next((line for line in pins if not _PIN.match(line)), None)
    if loose:
        raise UsageError(f"{path}: {loose!r} is not pinned; write name==version, so that every run gets the same code")
    return _archive("extras.tar.gz", pins, target, architecture)


def _archive(name: str, pins: Sequence[str], target: release.Release, architecture: str) -> package.Artefact:
    wanted = json.dumps([name, sorted(pins), target.python, architecture, sorted(SERVICES_KEPT)])
    cached = os.path.join(_cache(), hashlib.sha256(wanted.encode()).hexdigest() + "-" + name)
    if os.path.isfile(cached):
        with open(cached, "rb") as file:
            return package.Artefact(name, file.read())
    with tempfile.TemporaryDirectory() as folder:
        _install(pins, folder, target, architecture)
        _check_all_pinned(pins, folder, target, architecture)
        _drop_what_varies(folder)
        artefact = package.archive_of(folder, name=name)
    with contextlib.suppress(OSError):  # a home that cannot be written to costs time only
        os.makedirs(os.path.dirname(cached), exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(cached), delete=False) as fresh:
            fresh.write(artefact.body)
        os.replace(fresh.name, cached)
    return artefact


def _install(pins: Sequence[str], folder: str, target: release.Release, architecture: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--target", folder, "--only-binary=:all:", "--implementation=cp", f"--python-version={target.python}"]
    command += [f"--platform={platform}" for platform in PLATFORMS[architecture]]
    done = subprocess.run([*command, *pins], capture_output=True, text=True, check=False)  # noqa: S603  # no shell; pins are checked
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        raise UsageError(
            f"no wheels of {', '.join(pins)} for Python {target.python} on {architecture} ({target.label}): "
            f"{said[-1] if said else 'pip failed'}"
        )


def _check_all_pinned(pins: Sequence[str], folder: str, target: release.Release, architecture: str) -> None:
    pinned = {canonicalize_name(pin.partition("==")[0]) for pin in pins}
    found = sorted(importlib.metadata.distributions(path=[folder]), key=lambda each: each.metadata["Name"])
    needed = [Requirement(f"{each.metadata['Name']}=={each.version}") for each in found]
    # what is needed on some Pythons only, pip judges by the one that it runs on
    there = {
        "python_version": target.python,
        "python_full_version": f"{target.python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": architecture,
        "extra": "",
    }
    every = [Requirement(text) for each in found for text in each.requires or ()]
    needed += [one for one in every if one.marker is None or one.marker.evaluate(there)]
    for one in needed:
        if canonicalize_name(one.name) not in pinned:
            raise UsageError(
                f"{', '.join(pins)} also need {canonicalize_name(one.name)}{one.specifier} on Python {target.python}: "
                f"add a line for it to the requirements"
            )


def _drop_what_varies(folder: str) -> None:
    """Scripts name this machine's Python, and RECORD lists the scripts; neither is needed to import anything."""
    shutil.rmtree(os.path.join(folder, "bin"), ignore_errors=True)
    for directory, _, names in os.walk(folder):
        for name in names:
            if directory.endswith(".dist-info") and name in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"):
                os.remove(os.path.join(directory, name))
    data = os.path.join(folder, "botocore", "data")
    for service in os.listdir(data) if os.path.isdir(data) else ():
        if os.path.isdir(os.path.join(data, service)) and service not in SERVICES_KEPT:
            shutil.rmtree(os.path.join(data, service))


def _cache() -> str:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(home, "nightly-actions")
