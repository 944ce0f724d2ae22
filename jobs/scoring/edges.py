"""Nearly every number is known as one without a regular expression: by what Spark's casts take, but for blanks at the ends."""

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.scoring.calls import Calls


def unpadded(calls: Calls, cell: str) -> Column:
    """Whether the text `cell` (SQL) has no blank or control character at its ends: casts to integers pass over them."""
    text = calls.sql(cell)
    trimmed = calls.column(calls.method(text, "trimAll", calls.kind("string")))
    return F.octet_length(trimmed) == F.octet_length(calls.column(text))


def plain(calls: Calls, cell: str) -> Column:
    """Whether the text `cell` (SQL) is digits, with a sign in front and a point before the last of them at most."""
    # a cast to an integer looks at the digits behind a point too, but would take a point alone
    return F.expr(f"CAST({cell} AS bigint) IS NOT NULL AND NOT endswith({cell}, '.')") & unpadded(calls, cell)
