"""What has to be published of a file, worked out by Python's csv module and plain arithmetic: no Spark here."""

import csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tests.trust import typed
from tests.trust.corpus import FEATURES, Case

csv.field_size_limit(1 << 30)


@dataclass(frozen=True)
class Line:
    """A fitted line: its saved coefficients, in the order of `FEATURES`, and its intercept.

    `fused` is whether a product and its sum are rounded once, as the JVM's fused multiply-add does, or each by itself.
    """

    coefficients: tuple[float, ...]
    intercept: float
    fused: bool = True

    def at(self, values: Sequence[float]) -> float:
        """The prediction, to the last bit."""
        total = 0.0
        for value, weight in zip(values, self.coefficients, strict=True):
            product = Fraction(value) * Fraction(weight)
            total = float(product + Fraction(total)) if self.fused else float(product) + total
        return total + self.intercept


def records(case: Case) -> Iterator[dict[str, str]]:
    """The records of `case` that are no rejects, by column name."""
    data = gzip.decompress(case.data) if case.file.endswith(".gz") else case.data
    left_out = {*case.rejects, *case.inside}
    kept = [line for number, line in enumerate(data.split(b"\n"), start=1) if number not in left_out]
    # bytes that are no UTF-8 are left only in columns nobody reads
    text = b"\n".join(kept).decode("utf-8", errors="replace").removeprefix("\ufeff")
    return csv.DictReader(io.StringIO(text, newline=""), strict=True)


def expected(case: Case, line: Line) -> dict[str, tuple[float, str]]:
    """ID to prediction and note of every row of `case` that has to be published."""
    found = {}
    for row in records(case):
        assert row["ID"] not in found, f"{case.name}: ID {row['ID']!r} twice"
        found[row["ID"]] = (line.at([float(row[name]) for name in FEATURES]), row["note"])
    return found


def expected_typed(case: Case) -> dict[str, dict[str, object]]:
    """ID to the typed values of every row of `case` that has to be published; None where a cell is missing."""
    return {
        row["ID"]: {name: None if row[name] in ("", "-999") else typed.READ[name](row[name]) for name in typed.NAMES}
        for row in records(case)
    }


def published_typed(row: Mapping[str, str]) -> dict[str, object]:
    """The typed values of one row of actions.csv."""
    return {name: None if row[name] == "" else typed.READ[name](row[name]) for name in typed.NAMES}
