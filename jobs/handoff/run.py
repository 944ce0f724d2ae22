"""One run from lock to summary: what is already published, where this run writes, and what becomes of it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

from jobs import __version__
from jobs.contract.agreed import Options
from jobs.errors import HandOffError, InputRefusedError, JobError
from jobs.handoff import inputs, publish, runs
from jobs.handoff.inputs import Inputs
from jobs.handoff.lock import OutputLock
from jobs.handoff.manifest import Table, fingerprint, fingerprint_of_files
from jobs.handoff.publish import Publication, Steps, Wanted
from jobs.handoff.storage import storage_for
from jobs.handoff.uris import join


class Run:
    """A run that has its id and its staging folder, and gathers the summary on the way."""

    def __init__(
        self, options: Options, found: Inputs, fingerprints: dict[str, str], steps: Steps, run_id: str, lock: OutputLock
    ) -> None:
        """Made by `starting`."""
        self._options, self._found, self._fingerprints = options, found, fingerprints
        self.steps = steps
        self.summary: dict[str, Any] = {"run_id": run_id, "output": options.output}
        self._publication = Publication(storage_for(options.output), options.output, run_id, steps, lock)

    def parts(self, name: str) -> str:
        """Where Spark shall write the parts of file `name`."""
        return self._publication.parts(name)

    def refused(self, error: InputRefusedError, rejects: Table, wanted: Wanted) -> InputRefusedError:
        """The error to raise after the rejects have been left where the operator finds them.

        Raises `InputRefusedError` if the input changed under the run: the rejects may be told by wrong names then.
        """
        self._hold_input()
        told = {**self.summary, "status": "refused", "error": str(error)}
        where = self._publication.refuse(rejects, wanted, told)
        return InputRefusedError(f"{error}; see {where}/rejects.csv" if wanted.rows else str(error))

    def publish(self, tables: list[tuple[Table, Wanted]], notes: tuple[str, ...]) -> str:
        """Publish and return the run folder. Raises `InputRefusedError` if the input changed under the run."""
        self._hold_input()
        hidden = [f"passed over hidden file {uri}" for uri in self._found.hidden]
        counts = {name: value for name, value in self.summary.items() if name not in ("run_id", "output")}
        sources = [{"uri": f.uri, "bytes": f.size, "version": f.version} for f in self._found.files]
        extra = {"counts": counts, "notes": [*notes, *hidden], "fingerprints": self._fingerprints, "inputs": sources}
        return self._publication.publish(tables, {"run_date": self._options.run_date, **extra, "code": __version__})

    def _hold_input(self) -> None:
        if fingerprint_of_files(inputs.find(self._options.inputs).files) != self._fingerprints["inputs"]:
            raise InputRefusedError("the input changed while it was read; run again when the delivery is complete")

    def ended(self, status: str, path: Optional[str]) -> dict[str, Any]:
        """The summary for stdout."""
        told = {"status": status, **self.summary, "seconds": self.steps.seconds}
        return {**told, "path": path} if path else told

    def clean(self) -> None:
        """Leave nothing behind that costs money or confuses the next run, which cleans what this one cannot."""
        try:
            self._publication.clean()
        except Exception as error:  # how the run ended must not be hidden by it
            print(f"{self._options.output}: left for the next run to clean: {error}", file=sys.stderr)


@contextmanager
def starting(
    options: Options, found: Inputs, texts: dict[str, str], steps: Steps
) -> Iterator[tuple[Run, Optional[str]]]:
    """Lock the output; yields the run and, when the same run is already published, its folder.

    `texts` are the contents that the result depends on besides the inputs. Raises `RunUnderWayError`, `HandOffError`.
    """
    storage = storage_for(options.output)
    fingerprints = {
        "inputs": fingerprint_of_files(found.files),
        **{name: fingerprint(text) for name, text in texts.items()},
    }
    with OutputLock(storage, options.output) as lock, _refusals(options.output):
        publish.clear_leftovers(storage, options.output)
        held = runs.published(storage, options.output)
        same = None if options.force else runs.same_run(storage, held, options.run_date, fingerprints)
        run_id = same or runs.next_run_id(held, options.run_date)
        if not same:
            runs.hold_free(storage, options.output, run_id)
        run = Run(options, found, fingerprints, steps, run_id, lock)
        try:
            runs.set_latest(storage, options.output, held)  # a run may have died just before this
            yield run, join(options.output, same) if same else None
        except JobError as error:
            error.summary = {**run.summary, "seconds": steps.seconds}
            raise
        finally:
            run.clean()


@contextmanager
def _refusals(output: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HandOffError(f"{output}: {error}; nothing was published; run again when that is fixed") from error
