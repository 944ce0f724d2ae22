"""Bad files, made by script: each with a name, its bytes, and which of its lines have to be rejected and why.

What has to be published of the other lines is not written down here: `tests/trust/oracle.py` works it out, without Spark.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

HEADER = "ID,crim,zn,indus,note"
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Case:
    """One file: `rejects` are its lines (from 1) to their reasons; `inside` are further lines of rejected records."""

    name: str
    data: bytes
    rejects: Mapping[int, str] = field(default_factory=dict)
    inside: tuple[int, ...] = ()
    path: str = ""

    @property
    def file(self) -> str:
        """Where it lies below the input folder."""
        return self.path or f"{self.name}.csv"


def plain(name: str, *lines: "str | bytes", header: "str | bytes" = HEADER, end: bytes = b"\n") -> bytes:
    """A file of `lines`, `{id}` in each replaced by a key of its own."""
    done = [header if isinstance(header, bytes) else header.encode()]
    for number, line in enumerate(lines, start=2):
        raw = line if isinstance(line, bytes) else line.encode()
        done.append(raw.replace(b"{id}", f"{name}-{number}".encode()))
    return end.join([*done, b""])


def case(name: str, *lines: "str | bytes", rejects: "Mapping[int, str] | None" = None, **more: object) -> Case:
    """A case of a file with the usual header, unless told otherwise."""
    shape = {key: more.pop(key) for key in ("header", "end") if key in more}
    return Case(name, plain(name, *lines, **shape), rejects or {}, **more)  # type: ignore[arg-type]


GOOD = "{id},0.5,18,2.25,fine"


def shapes() -> list[Case]:
    """How a file is laid out: line ends, widths, quotes that close on their line."""
    return [
        case("ordinary", GOOD, "{id},0.00632,18.0,2.31,"),
        case("byte-order-mark-in-a-row", "\ufeff{id},0.5,18,2.25,"),
        case("crlf", GOOD, "{id},1,2,3,", end=b"\r\n"),
        Case("mixed-line-ends", plain("mixed", GOOD, "{id},1,2,3,y\r", GOOD)),
        Case("no-newline-at-the-end", plain("cut", GOOD, GOOD)[:-1]),
        case("blank-lines", "", GOOD, "", "", GOOD, "", ""),
        Case("blank-crlf-lines", plain("blank-crlf", GOOD, "", GOOD, "", end=b"\r\n")),
        case("white-space-line", GOOD, "   ", GOOD, rejects={3: absent("crim", "zn", "indus", "note")}),
        case("short-row", "{id},0.5,18", GOOD, rejects={2: absent("indus", "note")}),
        case("short-by-one", "{id},0.5,18,2.25", GOOD, rejects={2: absent("note")}),
        case("long-row", "{id},0.5,18,2.25,fine,more", GOOD, rejects={2: "extra-cell"}),
        case("comma-at-each-end", GOOD + ",", GOOD + ",", rejects={2: "extra-cell", 3: "extra-cell"}),
        case("commas-only", ",,,,", GOOD, rejects={2: ";".join(f"constraint-error:{n}" for n in ("ID", *FEATURES))}),
        case("too-many-commas", "," * 30, GOOD, rejects={2: "extra-cell"}),
        case("header-repeated", GOOD, HEADER, GOOD, rejects={3: "repeated-header"}),
        case("header-repeated-crlf", GOOD, HEADER, GOOD, rejects={3: "repeated-header"}, end=b"\r\n"),
        case("header-only"),
        Case("header-only-without-newline", HEADER.encode()),
        case("everything-quoted", '"{id}","0.5","18","2.25","fine"', '"{id}","","18","2.25",""', rejects={3: EMPTY}),
        case("comma-in-quotes", '{id},0.5,18,2.25,"a, b,,c"', '"{id},x",0.5,18,2.25,'),
        case("doubled-quotes", '{id},0.5,18,2.25,"the ""old"" mill"', '{id},0.5,18,2.25,""""'),
        case("many-quotes", '{id},0.5,18,2.25,"' + '""' * 5000 + '"', '{id},0.5,18,2.25,""""""'),
        case("quote-inside-a-plain-cell", '{id},0.5,18,2.25,5" pipe', '{id},0.5,18,2.25,a"b"c'),
        case("space-before-a-quote", '{id},0.5,18,2.25, "a"', '{id},0.5,18,2.25, "a,b"', rejects={3: "extra-cell"}),
        case("backslashes", r"{id},0.5,18,2.25,a\b\\c\n", r'{id},0.5,18,2.25,"a\"', r'{id},0.5,18,2.25,"\""x"'),
        case("semicolons-in-a-row", "{id};0.5;18;2.25;fine", GOOD, rejects={2: absent("crim", "zn", "indus", "note")}),
        case("lone-cr-in-quotes", '{id},0.5,18,2.25,"a\rb"'),
        case("comment-sign", "#{id},0.5,18,2.25,# no comment"),
    ]


FEATURES = ("crim", "zn", "indus")
EMPTY = "constraint-error:crim"


def absent(*columns: str) -> str:
    """The reasons of a row that ends before these columns."""
    return ";".join(f"missing-cell:{column}" for column in columns)


def layouts() -> list[Case]:
    """Which columns there are, and how their header is written."""
    reordered = plain("reordered", "x,2.31,{id},18,0.00632", header="note,indus,ID,zn,crim")
    return [
        case("usual-columns", GOOD),
        Case("reordered-columns", reordered),
        case("extra-columns", "a,{id},b,1.5,0,8.14,n,", header="w,ID,x,crim,zn,indus,note,y"),
        case("extra-column-twice", "{id},1.5,0,8.14,n,1,2", header=HEADER + ",dup,dup"),
        case("byte-order-mark", GOOD, GOOD, header=b"\xef\xbb\xbf" + HEADER.encode()),
        case("header-quoted", GOOD, header='"ID","crim","zn","indus","note"'),
        case("header-with-a-comma", "{id},0.5,18,2.25,n,x", header=HEADER + ',"last, first"'),
        case("header-with-a-dollar", "{id},0.5,18,2.25,n,x", header=HEADER + ",${spark.app.name}"),
        case("header-with-odd-characters", "{id},0.5,18,2.25,n,x", header=HEADER + ",it's \\n a `%s` ünïcode"),
        case("latin-1-in-a-column-nobody-reads", b"{id},0.5,18,2.25,n,\xfc", header=HEADER + ",x"),
    ]


def texts() -> list[Case]:
    """What stands in text cells and keys: encodings, control characters, white space, look-alikes of numbers."""
    note = "encoding-error:note"
    odd = ["\x85", "\u2028", "\x0b", "\x0c", "\x1c", "\u00a0", "\u200b", "\u202e"]
    return [
        case("utf-8", "{id},0.5,18,2.25,Zürich 東京 🏠 e\u0301", "é{id},0.5,18,2.25,"),
        case("line-separators-that-are-none", *(f"{{id}},0.5,18,2.25,a{char}b" for char in odd)),
        case("latin-1", b"{id},0.5,18,2.25,Z\xfcrich", GOOD, rejects={2: note}),
        case("latin-1-in-quotes", b'{id},0.5,18,2.25,"Z\xfcrich, CH"', GOOD, rejects={2: note}),
        case("latin-1-in-a-number", b"{id},0.5\xa0,18,2.25,", GOOD, rejects={2: "type-error:crim"}),
        case("latin-1-in-the-key", b"{id}\xfc,0.5,18,2.25,", GOOD, rejects={2: "encoding-error:ID"}),
        case("windows-1252", b"{id},0.5,18,2.25,\x93hi\x94", rejects={2: note}),
        case("utf-8-cut-in-a-character", b"{id},0.5,18,2.25,\xe6\x9d", GOOD, rejects={2: note}),
        case("utf-8-surrogates", b"{id},0.5,18,2.25,\xed\xa0\x80", GOOD, rejects={2: note}),
        case("utf-8-overlong", b"{id},0.5,18,2.25,\xc0\xaf", GOOD, rejects={2: note}),
        case("replacement-character", "{id},0.5,18,2.25,a\ufffdb", GOOD, rejects={2: note}),
        case("nul-in-text", b"{id},0.5,18,2.25,a\x00b", GOOD, rejects={2: note}),
        case("nul-before-a-number", b"{id},\x000.5,18,2.25,", GOOD, rejects={2: "type-error:crim"}),
        case("nul-after-a-number", b"{id},0.5\x00,18,2.25,", GOOD, rejects={2: "type-error:crim"}),
        case("leading-zeros-in-keys", "007,0.5,18,2.25,007", "7,0.5,18,2.25,7", "07,0.5,18,2.25,0"),
        case(
            "keys-like-numbers", *(f"{key},0.5,18,2.25,{key}" for key in ("1e5", "100000", "1E5", "0x10", "+8", "8.0"))
        ),
        case("keys-with-spaces", " 9,0.5,18,2.25, x ", "9 ,0.5,18,2.25,  ", "9,0.5,18,2.25,x"),
        case("keys-by-case", "Ab,0.5,18,2.25,", "aB,0.5,18,2.25,", "AB,0.5,18,2.25,"),
        case(
            "words-for-nothing",
            *(f"{{id}},0.5,18,2.25,{word}" for word in ("NULL", "null", "NA", "nan", "None", "\\N")),
        ),
        case(
            "key-missing",
            ",0.5,18,2.25,",
            '"",0.5,18,2.25,',
            rejects={2: "constraint-error:ID", 3: "constraint-error:ID"},
        ),
        case("formulas", *(f"{{id}},0.5,18,2.25,{sign}1+1" for sign in "=+-@"), "{id},0.5,18,2.25,\t=1"),
        case("a-megabyte-in-a-cell", "{id},0.5,18,2.25," + "é" * (MEGABYTE // 2), GOOD),
        case("html-and-sql", "{id},0.5,18,2.25,<b>'; DROP TABLE x; --", "{id},0.5,18,2.25,${env:HOME} {{x}} %s"),
    ]


def numbers() -> list[Case]:
    """What stands in number cells: Python's float is the judge of those that are fine."""
    fine = ["0.5", ".5", "5.", "+5", "-5", "1e2", "1E+2", "1e-2", "007", "-0", "-0.0", "0e0", " 5", "5 ", "  5  "]
    small = ["4.9e-324", "2.2250738585072011e-308", "2.2250738585072014e-308", "1e-400", "0." + "0" * 400 + "1"]
    close = ["0.1", "0.30000000000000004", "9007199254740993", "123456789012345678901234567890", "1e22", "1e23"]
    wild = ["1.7976931348623157e308", "1e400", "-1e400", "9" * 400]
    wrong = ["NaN", "nan", "Infinity", "-Infinity", "inf", "1d", "1f", "1D", "0x1p3", "0x10", "1_000", "1 000"]
    wrong += [
        "n/a",
        "NULL",
        "-",
        ".",
        "e5",
        "1e",
        "1e5.5",
        "--1",
        "+-1",
        "1.2.3",
        "5%",
        "€5",
        "\uff11\uff12",
        "\u0663",
        "½",
        "five",
    ]
    wrong += ["\t5", "5\t", "\x015", "\x1f5", "5\x7f", "\u00a05", "(5)", "5/", "/5", "true", "1,"[:-1] + "\x0b"]
    quoted = ["1,5", "1,000.00", "5\r"]
    huge = dict.fromkeys(range(3, 6), "type-error:crim")
    return [
        case("numbers-that-are-fine", *(f"{{id}},{cell},18,2.25," for cell in fine)),
        case("numbers-too-small-to-tell", *(f"{{id}},{cell},18,2.25," for cell in small)),
        case("numbers-of-many-digits", *(f"{{id}},{cell},18,2.25," for cell in close)),
        case("numbers-too-large", *(f"{{id}},{cell},18,2.25," for cell in wild), rejects=huge),
        _wrong("no-numbers", wrong),
        _wrong("no-numbers-in-quotes", [f'"{cell}"' for cell in quoted]),
        case("number-missing", "{id},,18,2.25,", '{id},0.5,"",2.25,', rejects={2: EMPTY, 3: "constraint-error:zn"}),
        case("number-of-white-space", "{id}, ,18,2.25,", GOOD, rejects={2: "type-error:crim"}),
        case("two-faults", "{id},x,,Infinity,", rejects={2: "type-error:crim;constraint-error:zn;type-error:indus"}),
    ]


def _wrong(name: str, cells: list[str]) -> Case:
    """Each of `cells` in a line of its own; the line behind it shows that it spoils no other."""
    lines = [line for cell in cells for line in (f"{{id}},{cell},18,2.25,", GOOD)]
    return case(name, *lines, rejects=dict.fromkeys(range(2, 2 + len(lines), 2), "type-error:crim"))


def broken() -> list[Case]:
    """Quotes that do not close on their line: some cells go on, some records are at fault."""
    open_quote = "unbalanced-quote"
    big = [GOOD] * 4000
    two = '{id},0.5,18,2.25,"a\nb"'
    return [
        case("quoted-newline", two, GOOD),
        case("quoted-newlines", '{id},0.5,18,2.25,"\n\na\n\n\n"', GOOD, '"{id}\n2",0.5,18,2.25,x', GOOD),
        case("quoted-crlf", '{id},0.5,18,2.25,"a\r\nb"', GOOD),
        case("quoted-crlf-in-crlf", '{id},0.5,18,2.25,"a\r\nb"', GOOD, end=b"\r\n"),
        case("quoted-header-line", f'{{id}},0.5,18,2.25,"\n{HEADER}\n"', GOOD),
        case("quoted-row", '{id},0.5,18,2.25,"\nfake,1,1,1,1\n"', GOOD),
        case("quoted-newline-and-quotes", '{id},0.5,18,2.25,"say ""a\n""b"", c"', GOOD),
        case("quoted-newline-in-two-cells", '"{id}\nx",0.5,18,2.25,"a\nb"', GOOD),
        case("quoted-newline-then-faults", '{id},x,18,2.25,"a\nb"', GOOD, rejects={2: "type-error:crim"}, inside=(3,)),
        case("quoted-newline-short", '{id},0.5,"18\n"', GOOD, rejects={2: open_quote, 3: open_quote}),
        case("quoted-newline-crlf-blank", two, "", "  ", GOOD, rejects={5: absent(*FEATURES, "note")}),
        case("unclosed-quote-first", '{id},0.5,18,2.25,"a', GOOD, GOOD, rejects={2: open_quote}),
        case("unclosed-quote-last", GOOD, '{id},0.5,18,2.25,"a', rejects={3: open_quote}),
        case("unclosed-quote-in-a-big-file", *big, '{id},0.5,18,2.25,"a', *big, rejects={4002: open_quote}),
        case(
            "unclosed-quote-then-quoted", '{id},0.5,18,2.25,"a', '{id},0.5,18,2.25,"b"', GOOD, rejects={2: open_quote}
        ),
        case("unclosed-quote-in-the-key", '"{id},0.5,18,2.25,a', GOOD, rejects={2: open_quote}),
        case("text-after-a-quote", '{id},0.5,18,2.25,"a"b', GOOD, rejects={2: open_quote}),
        case("text-after-a-quote-inside", '{id},"0.5"x,18,2.25,"b"', '{id},0.5,18,2.25,"c"', rejects={2: open_quote}),
        case("space-after-a-quote", '{id},0.5,18,2.25,"a" ', GOOD, rejects={2: open_quote}),
        case("single-quote-cell", '{id},0.5,18,2.25,"', GOOD, rejects={2: open_quote}),
        case("three-quotes", '{id},0.5,18,2.25,"""', GOOD, rejects={2: open_quote}),
        case(
            "latin-1-beside-a-newline",
            b'{id},0.5,18,2.25,"Z\xfc\nrich"',
            GOOD,
            rejects={2: "encoding-error:note"},
            inside=(3,),
        ),
        case("header-repeated-after-newlines", two, HEADER, GOOD, rejects={4: "repeated-header"}),
        case("neighbour-without-quotes", GOOD, "{id},1,2,3,"),
    ]
