"""The input that all contenders read: generated once per size, the same bytes every time."""

import json
import random
from dataclasses import asdict, dataclass
from pathlib import Path

FILES = 8
STRIDE = 7919
SCHEMA = {
    "fields": [
        {"name": "ID", "type": "integer"},
        *({"name": name, "type": "number"} for name in ("crim", "zn", "indus")),
    ],
    "primaryKey": "ID",
}
KINDS = [
    {"name": "count", "type": "integer"},
    {"name": "price", "type": "number", "spark:type": "decimal(10,2)"},
    {"name": "day", "type": "date"},
    {"name": "at", "type": "datetime"},
]
# of their cells the text, the least number in it, and how far above that it may be
DRAWN = {
    "count": ("{:.0f}", 0, 900),
    "price": ("{:.2f}", 0, 1000),
    "day": ("2026-11-{:.0f}", 10, 18),
    "at": ("2026-11-22T10:{:.0f}:05", 10, 49),
}
POLICY = {
    "actions": [{"action": "call", "when": "prediction >= 25"}],
    "otherwise": "none",
    "columns": {"ID": "ID", "action": "action", "prediction": "prediction"},
}


@dataclass(frozen=True)
class Kind:
    """In what the records differ from the plain ones."""

    quoted: bool = False  # every text stands in quotes
    bad_share: float = 0.0  # of the rows, with a text in the place of a number
    shuffled: bool = False  # keys in no order; powers of ten and what else has no factor `STRIDE` go with that
    repeated: bool = False  # the first record comes again as the last
    texts: bool = False  # the key is a text that goes up by a number, as the other does
    more: int = 0  # columns of numbers, of some 6 bytes each
    kinds: bool = False  # columns of other types
    missing_share: float = 0.0  # of those columns' cells, empty
    broken_share: float = 0.0  # of the rows, with a line end in the text

    @property
    def name(self) -> str:
        """All that is not as in the plain ones; empty for those."""
        return "".join(f"-{name}-{value}" for name, value in asdict(self).items() if value)


def generate(folder: Path, rows: int, kind: Kind = Kind()) -> Path:
    """`rows` records in `FILES` files below `folder`, once; about 37 bytes each. Returns the folder of the CSV files.

    Beside it lies `schema_of` it, by which all columns are checked. Keys ascend from file to file.
    """
    target = folder / f"{rows}{kind.name}"
    added = [{"name": f"more_{number}", "type": "number"} for number in range(kind.more)] + KINDS * kind.kinds
    if not (target / "_complete").exists():
        target.mkdir(parents=True, exist_ok=True)
        for number in range(FILES):
            numbers = range(rows * number // FILES, rows * (number + 1) // FILES)
            _write(target / f"part-{number}.csv", numbers, rows, kind, [field["name"] for field in added])
        if kind.repeated:
            with (target / "part-0.csv").open() as first, (target / f"part-{FILES - 1}.csv").open("a") as last:
                last.write(first.readlines(1000)[1])
        (target / "_complete").touch()
    checked = [{"name": "name"}, *added] if added or kind.texts else []
    key = {"primaryKey": "name"} if kind.texts else {}
    schema_of(target).write_text(json.dumps({**SCHEMA, "fields": [*SCHEMA["fields"], *checked], **key}))
    (folder / "policy.json").write_text(json.dumps(POLICY))
    return target


def schema_of(source: Path) -> Path:
    """The schema of what `generate` has made."""
    return source.with_name(f"{source.name}.schema.json")


def _write(path: Path, numbers: range, rows: int, kind: Kind, names: list[str]) -> None:
    random.seed(numbers.start)
    uniform = random.random
    drawn = [DRAWN.get(name, ("{:.2f}", 0, 100)) for name in names]
    with path.open("w") as file:
        file.write(",".join(["ID,crim,zn,indus,name", *names]) + "\n")
        for number in numbers:
            key = number * STRIDE % rows if kind.shuffled else number
            crim = "n/a" if kind.bad_share and uniform() < kind.bad_share else f"{uniform() * 90:.5f}"
            place = f'"name {key}"' if kind.quoted else f"name {key}"
            if kind.broken_share and uniform() < kind.broken_share:
                place = f'"name\n{key}"'
            cells = [f"{key},{crim},{uniform() * 100:.1f},{uniform() * 27:.2f},{place}"]
            for text, least, span in drawn:
                empty = kind.missing_share and uniform() < kind.missing_share
                cells.append("" if empty else text.format(least + uniform() * span))
            file.write(",".join(cells) + "\n")
