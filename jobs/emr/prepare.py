"""From a command to a job that can be sent: what is uploaded, under which key, with which arguments."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.emr import command as commands
from jobs.emr import package, record, wheels
from jobs.emr.request import NAME, Job

if TYPE_CHECKING:
    from jobs.emr.command import Command
    from jobs.emr.record import Record, Records
    from jobs.emr.release import Release
    from jobs.emr.staging import Store


@dataclass(frozen=True)
class Prepared:
    """A command with everything it needs on the cluster; `uploads` are by URI."""

    command: Command
    release: Release
    arguments: tuple[str, ...]
    entry: str
    py_files: str
    archives: tuple[str, ...]
    uploads: dict[str, package.Artefact]
    key: str

    def upload(self, store: Store) -> int:
        """Sends what is not there yet; the number of objects sent."""
        return sum(store.upload_once(uri, artefact.body) for uri, artefact in sorted(self.uploads.items()))

    def job(self, attempt: Record, *, records: Records, region: str) -> Job:
        """The job of one attempt: its name, and where it must say how it ended."""
        arguments = self.arguments
        if commands.PROGRAMS[self.command.program].writes_status:
            # YARN does not keep the driver's exit code, and the other services shorten its error
            arguments = (*arguments, "--status-uri", records.status_uri(attempt.attempt))
        return Job(
            name=attempt.name,
            entry=self.entry,
            arguments=arguments,
            py_files=self.py_files,
            archives=self.archives,
            release=self.release,
            spark=self.command.spark,
            timeout_minutes=attempt.timeout_minutes,
            region=region,
            tags={NAME: attempt.key},
        )


def prepare(
    command: Command, *, release: Release, staging: str, architecture: str, requirements: str | None = None
) -> Prepared:
    """Builds every artefact; sends nothing. UsageError says what cannot travel."""
    code, entry = package.code_archive(), package.entry_point(command.program)
    archives = [wheels.job_archive(release, architecture=architecture)]
    if requirements:
        archives.append(wheels.extra_archive(requirements, release, architecture=architecture))
    files = {path: package.Artefact(os.path.basename(path), commands.read_file(path)) for path in command.files}

    def uri(artefact: package.Artefact) -> str:
        return f"{staging.rstrip('/')}/{artefact.path}"

    sent = {path: uri(artefact) for path, artefact in files.items()}
    arguments, shipped = command.arguments(sent), [sent.get(file, file) for file in command.py_files]
    travelling = [code, entry, *archives]
    return Prepared(
        command=command,
        release=release,
        arguments=arguments,
        entry=uri(entry),
        py_files=",".join([uri(code), *shipped]),
        archives=tuple(uri(archive) for archive in archives),
        uploads={uri(artefact): artefact for artefact in (*travelling, *files.values())},
        key=record.run_key(command, arguments, [*shipped, *(artefact.contents for artefact in travelling)]),
    )
