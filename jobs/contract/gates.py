"""How dirty the input may be before the run is refused."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from jobs.errors import InputRefusedError, UsageError


@dataclass(frozen=True)
class Gates:
    """Limits as counts (`10`) or rates of the rows read (`0.5%`); `by_reason` adds one for a reason or reason:column."""

    max_rejects: str = "0"
    min_rows: int = 1
    by_reason: Mapping[str, str] = field(default_factory=dict)

    def check(
        self,
        *,
        rows_read: int,
        rows_rejected: int,
        rejected_by_reason: Mapping[str, int],
        rejected_by_code: Mapping[str, int],
    ) -> None:
        """Raise `InputRefusedError` saying how many, why, and which option would let them pass.

        A row with one code for two columns has two reasons, and counts once for the code.
        """
        if rows_read < self.min_rows:
            raise InputRefusedError(
                f"{rows_read} rows were read, at least {self.min_rows} are expected (--min-rows); was it all delivered?"
            )
        counts = ", ".join(f"{reason}: {count}" for reason, count in list(rejected_by_reason.items())[:5])
        more = len(rejected_by_reason) - 5
        why = counts + (f" and {more} more" if more > 0 else "")
        if rows_rejected > allowed(self.max_rejects, rows_read):
            raise InputRefusedError(
                f"{rows_rejected:,} of {rows_read:,} rows rejected ({why}); {self.max_rejects} allowed; "
                f"correct the input, or let them pass with --max-rejects {rows_rejected}"
            )
        for reason, limit in self.by_reason.items():
            found = (rejected_by_reason if ":" in reason else rejected_by_code).get(reason, 0)
            if found > allowed(limit, rows_read):
                raise InputRefusedError(
                    f"{found:,} of {rows_read:,} rows rejected for {reason}; the schema's nightly:maxRejects allows {limit}; "
                    f"correct the input, or raise that limit"
                )


def allowed(limit: str, rows_read: int) -> int:
    """How many rows `limit` lets pass. Raises `UsageError` if it is neither a count nor a rate."""
    match = re.fullmatch(r"(\d+)|(\d+(?:\.\d+)?)%", limit.strip())
    if not match:
        raise UsageError(f"--max-rejects {limit!r}: give a count, as 10, or a rate of the rows read, as 0.5%")
    return int(match[1]) if match[1] else int(rows_read * Decimal(match[2]) / 100)
