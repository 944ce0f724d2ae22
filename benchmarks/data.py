"""The input that all contenders read: generated once per size, the same bytes every time."""

import json
import random
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


def generate(
    folder: Path,
    rows: int,
    *,
    quoted: bool = False,
    bad_share: float = 0.0,
    shuffled: bool = False,
    repeated: bool = False,
    texts: bool = False,
    more: int = 0,
    kinds: bool = False,
    missing_share: float = 0.0,
) -> Path:
    """`rows` records in `FILES` files below `folder`, once; about 37 bytes each. Returns the folder of the CSV files.

    Those with `more` numbers, of some 6 bytes each, have all of their columns checked. Beside the folder lies `schema_of` it.
    Keys ascend from file to file, or `shuffled` stand in no order; powers of ten and what else has no factor `STRIDE` go with that.
    With `repeated` the first record comes again as the last. With `texts` the key is a text that goes up by a number, as the other does.
    With `kinds` there are columns of other types, of whose cells `missing_share` are empty.
    """
    name = (
        f"{rows}"
        + ("-quoted" if quoted else "")
        + (f"-bad{bad_share}" if bad_share else "")
        + ("-shuffled" if shuffled else "")
        + ("-repeated" if repeated else "")
        + ("-texts" if texts else "")
        + (f"-{more}more" if more else "")
        + (f"-kinds{missing_share}" if kinds else "")
    )
    added = [{"name": f"more_{number}", "type": "number"} for number in range(more)] + (KINDS if kinds else [])
    target, names = folder / name, [field["name"] for field in added]
    if not (target / "_complete").exists():
        target.mkdir(parents=True, exist_ok=True)
        for number in range(FILES):
            keys = range(rows * number // FILES, rows * (number + 1) // FILES)
            _write(
                target / f"part-{number}.csv",
                keys,
                STRIDE if shuffled else 1,
                rows,
                quoted,
                bad_share,
                names,
                missing_share,
            )
        if repeated:
            with (target / "part-0.csv").open() as first, (target / f"part-{FILES - 1}.csv").open("a") as last:
                last.write(first.readlines(1000)[1])
        (target / "_complete").touch()
    checked = [{"name": "name"}, *added] if added or texts else []
    key = {"primaryKey": "name"} if texts else {}
    schema_of(target).write_text(json.dumps({**SCHEMA, "fields": [*SCHEMA["fields"], *checked], **key}))
    (folder / "policy.json").write_text(json.dumps(POLICY))
    return target


def schema_of(source: Path) -> Path:
    """The schema of what `generate` has made."""
    return source.with_name(f"{source.name}.schema.json")


def _write(
    path: Path,
    numbers: range,
    stride: int,
    rows: int,
    quoted: bool,
    bad_share: float,
    names: list[str],
    missing_share: float,
) -> None:
    random.seed(numbers.start)
    uniform = random.random
    drawn = [DRAWN.get(name, ("{:.2f}", 0, 100)) for name in names]
    with path.open("w") as file:
        file.write(",".join(["ID,crim,zn,indus,name", *names]) + "\n")
        for number in numbers:
            key = number * stride % rows
            crim = "n/a" if bad_share and uniform() < bad_share else f"{uniform() * 90:.5f}"
            place = f'"name {key}"' if quoted else f"name {key}"
            cells = [f"{key},{crim},{uniform() * 100:.1f},{uniform() * 27:.2f},{place}"]
            for text, least, span in drawn:
                cells.append(
                    "" if missing_share and uniform() < missing_share else text.format(least + uniform() * span)
                )
            file.write(",".join(cells) + "\n")
