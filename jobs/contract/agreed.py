"""What one run was asked to do, and what it is held to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.contract.gates import Gates
from jobs.contract.policy import Policy
from jobs.contract.preflight import Needs
from jobs.contract.saved_model import SavedModel
from jobs.contract.table_schema import TableSchema


@dataclass(frozen=True)
class Options:
    """The command line, with `{run_date}` filled in. URIs are plain paths, `file://`, `s3://` or `s3a://`."""

    model: str
    inputs: tuple[str, ...]
    schema: str
    policy: str
    output: str
    run_date: str
    max_rejects: str
    min_rows: int
    force: bool
    dry_run: bool

    @classmethod
    def filled_in(cls, values: Mapping[str, Any]) -> "Options":
        """From the command line's values: `{run_date}` is replaced in every URI."""
        date = str(values["run_date"])

        def dated(uri: str) -> str:
            return uri.replace("{run_date}", date)

        uris = {name: dated(values[name]) for name in ("model", "schema", "policy", "output")}
        return cls(
            **uris,
            inputs=tuple(map(dated, values["input"])),
            run_date=date,
            max_rejects=str(values["max_rejects"]),
            min_rows=int(values["min_rows"]),
            force=bool(values["force"]),
            dry_run=bool(values["dry_run"]),
        )

    @property
    def named_uris(self) -> tuple[tuple[str, str], ...]:
        """Every URI, with the name of its option."""
        named = {name: getattr(self, name) for name in ("model", "schema", "policy", "output")}
        return (*named.items(), *(("input", uri) for uri in self.inputs))

    @property
    def spark_uris(self) -> tuple[str, ...]:
        """The URIs that Spark will touch."""
        return (self.model, self.output, *self.inputs)


@dataclass(frozen=True)
class Agreed:
    """Schema, policy and gates as written; the model as saved, and what it needs of the input."""

    schema: TableSchema
    policy: Policy
    gates: Gates
    saved: SavedModel
    needs: Needs
