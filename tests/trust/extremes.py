"""The corpus of extremes: cells, headers and paths far larger than usual, and files that are not to be read."""

from tests.trust.corpus import EMPTY, GOOD, HEADER, MEGABYTE, Case, absent, case


def cases() -> list[Case]:
    """Cells, headers and paths far larger than usual."""
    size = 20 * MEGABYTE
    names = [f"column {number}" for number in range(5000)]
    values = ",".join(["1.5"] * 2500)
    words = 'It is said that "" the mill, \u00fc and all, was sold' * 20 + "\n"
    lines = words * (size // len(words))
    fewer = words * 1000
    inside = tuple(range(3, 3 + fewer.count("\n")))
    return [
        case("field-of-20-megabytes", GOOD, '{id},0.5,18,2.25,"' + "a,b " * (size // 4) + '"', GOOD),
        case("field-of-20-megabytes-in-quotes", '{id},0.5,18,2.25,"' + '""' * (size // 2) + '"', GOOD),
        case("field-of-20-megabytes-over-lines", GOOD, f'{{id}},0.5,18,2.25,"{lines}"', GOOD),
        case(
            "field-of-a-megabyte-over-lines-in-a-bad-row",
            f'{{id}},0.5,x,2.25,"{fewer}"', GOOD, rejects={2: "type-error:zn"}, inside=inside,
        ),
        case(
            "five-thousand-columns",
            *[f"{values},{GOOD},{values}"] * 3, f"{values},{{id}},,1,2,x,{values}", f"{values},{{id}},1",
            header=",".join([*names[:2500], HEADER, *names[2500:]]),
            rejects={5: EMPTY, 6: absent("zn", "indus", "note")},
        ),
        case("in-folders-below-folders", GOOD, GOOD, path="a/b c/d=1/e.csv"),
        case("in-the-folder-beside", GOOD, path="a/b c/d=2/e.csv"),
        case("hidden-in-its-middle", GOOD, path="a/x_y.z/a_.csv"),
    ]  # fmt: skip


# these lie beside the files above, and are not to be read
HIDDEN = ("_hidden.csv", ".hidden.csv", "_folder/in.csv", "a/.folder/in.csv", "a/_b/c/in.csv", "a/b c/_SUCCESS")
