"""The policy's expressions against the scored columns: analysed by Spark, run by nobody, before the first row is read."""

import re
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.contract.agreed import Agreed
from jobs.contract.table_schema import TableSchema
from jobs.errors import ModelMismatchError, UsageError
from jobs.scoring import decide, guards, kept, predict, read, sql, validate
from jobs.scoring.calls import analysed, calls_of, java_class
from jobs.scoring.model import Model

# deterministic as Spark sees it, but another value tomorrow, or code of somebody else's choosing
BANNED = {
    "CallMethodViaReflection", "CurrentDate", "CurrentTimestamp", "Now", "LocalTimestamp", "CurrentTime", "CurrentUser",
    "CurrentDatabase", "CurrentCatalog", "CurrentTimeZone", "InputFileName", "InputFileBlockStart", "InputFileBlockLength",
    "PythonUDF", "ScalaUDF", "RaiseError", "AssertTrue", "TryReflect",
}  # fmt: skip
# words that Spark takes for the day or moment of the run, where it is asked for a date or time
MOMENT = re.compile(r"\s*(now|today|tomorrow|yesterday)\b", re.IGNORECASE)
MOMENT_AS_TYPED = re.compile(rf"\b(date|timestamp(_[ln]tz)?)\s*['\"]{MOMENT.pattern}", re.IGNORECASE)
# a cell of each type that most models take
MADE_UP = {
    **{"string": "", "number": "0", "integer": "0", "boolean": "false"},
    **{"date": "2000-01-01", "datetime": "2000-01-01 00:00:00"},
}
NOT_FOR_A_CSV = (T.ArrayType, T.MapType, T.StructType, T.BinaryType, T.NullType, T.UserDefinedType)


def check(spark: SparkSession, agreed: Agreed, model: Model, where: str) -> dict[str, str]:
    """The policy's columns with their Spark types. Raises `ModelMismatchError` naming the stage or expression and what is wrong."""
    schema, policy = agreed.schema, agreed.policy
    _check_patterns(spark, schema)
    given, outputs = _scored(spark, schema, model)
    kept.check(given, outputs, model, agreed)
    scored = outputs.drop(*read.PLACE)
    if decide.ACTION in (name.lower() for name in scored.columns):
        raise ModelMismatchError(
            f"policy {where}: the name 'action' is taken by a column of the schema or model; rename that"
        )
    if policy.has_budgets and not schema.primary_key:
        raise ModelMismatchError(
            f"policy {where}: a limit needs a primaryKey in the schema, so that ties break the same way each night"
        )
    decided = scored.withColumn(decide.ACTION, F.lit("").cast("string"))
    types = {
        spot: _analysed(decided if spot.startswith("columns.") else scored, expression, f"policy {where}: {spot}")
        for spot, expression in policy.expressions().items()
    }
    for spot, kind in types.items():
        if spot.endswith(".when") and not isinstance(kind, T.BooleanType):
            raise ModelMismatchError(
                f"policy {where}: {spot}: is {kind.simpleString()}, not true or false; compare it with something"
            )
        if isinstance(kind, NOT_FOR_A_CSV) and not spot.endswith(".when"):
            raise ModelMismatchError(
                f"policy {where}: {spot}: a CSV cannot hold a {kind.simpleString()}; pick an element, as probability[1]"
            )
    return {name: types[f"columns.{name}"].simpleString() for name in policy.columns}


def _scored(spark: SparkSession, schema: TableSchema, model: Model) -> tuple[DataFrame, DataFrame]:
    """The schema's columns, of no row if the model can do with none, and what it makes of them."""
    columns = [f"CAST(NULL AS {f.spark_type}) AS {sql.name(f.name)}" for f in schema.fields]
    places = [f"CAST(NULL AS string) AS {name}" for name in read.PLACE]
    given = spark.range(0).selectExpr(*columns, *places)
    try:
        return given, predict.outputs(given, model)
    except ModelMismatchError as error:
        # only of a row does an assembler learn how many numbers there are in what a PolynomialExpansion makes
        if "empty dataframe" not in str(error):
            raise
    known = _known_categories(model)
    # of what is in a row, or Spark would work out the policy for it
    row = "IF(id = 0, CAST({} AS {}), NULL) AS {}".format
    made_up = [row(sql.text(known.get(f.name, MADE_UP[f.type])), f.spark_type, sql.name(f.name)) for f in schema.fields]
    given = spark.range(1).selectExpr(*made_up, *places)
    return given, predict.outputs(given, model)


def _known_categories(model: Model) -> dict[str, str]:
    """For each column that is indexed a value with which a row is not left out."""
    found = {}
    for java in model.of_kind("StringIndexerModel"):
        indexed = zip(guards.columns(java, "input"), java.labelsArray())
        found.update({name: labels[0] for name, labels in indexed if len(labels)})
    return found


def _check_patterns(spark: SparkSession, schema: TableSchema) -> None:
    java_pattern = java_class(spark, "java.util.regex.Pattern")
    patterns = {field.name: field.constraints["pattern"] for field in schema.fields if "pattern" in field.constraints}
    for name, pattern in patterns.items():
        cure = "correct it"
        try:
            java_pattern.compile(pattern)
            # either goes on over the bracket behind it
            cure = "write a line break behind its last comment, or \\E behind its last \\Q"
            java_pattern.compile(validate.whole(pattern))
        except Exception as error:  # py4j wraps PatternSyntaxException
            raise UsageError(
                f"schema: field {name!r}: pattern {pattern!r} does not compile in Java: "
                f"{_said(error).split('PatternSyntaxException: ')[-1]}; {cure}"
            ) from error


def _analysed(frame: DataFrame, expression: str, spot: str) -> T.DataType:
    try:
        frame.select(F.expr(expression))  # brackets around it would make a whole of `a) OR (b`
        # a rule's expressions are put into larger ones: each must be whole within brackets too
        whole = sql.bracketed(expression) if spot.endswith((".when", ".by")) else expression
        selected = frame.select(F.expr(whole))
        java: Any = selected
        java._jdf.queryExecution().optimizedPlan()  # constants are worked out here, and may fail
        kind = selected.schema.fields[0].dataType  # which PySpark may not know
    except Exception as error:  # parse and analysis errors differ by Spark version
        raise ModelMismatchError(
            f"{spot}: {expression!r}: {_said(error)}; the columns are {', '.join(frame.columns)[:300]}"
        ) from error
    if len(selected.columns) != 1:
        raise ModelMismatchError(
            f"{spot}: {expression!r} makes {len(selected.columns)} columns; write an expression for one"
        )
    calls = calls_of(frame.sparkSession)
    if any("Star" in node.getClass().getSimpleName() for node in kept.nodes(calls.seq([calls.sql(expression)]))):
        raise ModelMismatchError(
            f"{spot}: {expression!r}: * would include the job's own columns; name the columns you mean"
        )
    plan = analysed(selected)
    if MOMENT.search(expression) and _is_of_the_run(expression, plan.expressions()):
        raise ModelMismatchError(
            f"{spot}: {expression!r}: a day or time that depends on when the job runs is not allowed; write the date"
        )
    for node in reversed(list(kept.nodes(plan.expressions()))):  # the innermost is the one to name
        name = node.getClass().getSimpleName()
        if name in BANNED or "Subquery" in name or name in ("Exists", "ListQuery") or not node.deterministic():
            raise ModelMismatchError(
                f"{spot}: {expression!r}: {node.prettyName()} is not allowed; use deterministic functions of the row's columns"
            )
        if isinstance(kind, T.StringType) and kept.is_text_of_bytes(node):
            raise ModelMismatchError(f"{spot}: {expression!r}: {kept.BYTES}")
    # Spark puts a node of its own between for whatever sees more than one row
    if plan.getClass().getSimpleName() != "Project" or not plan.child().fastEquals(analysed(frame)):
        raise ModelMismatchError(
            f"{spot}: {expression!r}: aggregates, windows and generators are not allowed; a rule sees one row"
        )
    return kind


def _is_of_the_run(expression: str, nodes: Any) -> bool:
    """Whether a word for a moment is made a date or time, and is not just a text."""
    if MOMENT_AS_TYPED.search(expression):  # the parser puts the date itself in its place
        return True
    for node in kept.nodes(nodes):
        if node.dataType().typeName() in ("date", "timestamp", "timestamp_ntz"):
            texts = [child for child in kept.items(node.children()) if child.dataType().typeName() == "string"]
            if any(MOMENT.match(str(text.eval(None))) for text in texts if text.foldable()):
                return True
    return False


def _said(error: Exception) -> str:
    text = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    return text.split("; line ")[0].split("== SQL ==")[0].split(";\n")[0].strip()[:240]
