"""Small pieces of Spark SQL text. Expressions are built as text: one parse a column, however many columns there are."""


def name(column: str) -> str:
    """A column's name as SQL."""
    return "`" + column.replace("`", "``") + "`"


def bracketed(expression: str) -> str:
    """An expression of somebody else's writing as part of a larger one; the line end closes a comment in it."""
    return f"({expression}\n)"


def text(value: str) -> str:
    """A string literal as SQL, every character kept."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    # Spark's lexer folds no control characters, but a log line does: spell them out
    for char, spelled in (("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"), ("\x00", "\\0")):
        escaped = escaped.replace(char, spelled)
    return f"'{escaped}'"
