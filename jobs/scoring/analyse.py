"""The policy's expressions against the scored columns: analysed by Spark, run by nobody, before the first row is read."""

from collections.abc import Iterator
from typing import Any

from pyspark.ml import PipelineModel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.contract.policy import Policy
from jobs.contract.table_schema import TableSchema
from jobs.errors import ModelMismatchError
from jobs.scoring import decide, predict, sql

# deterministic as Spark sees it, but another value tomorrow, or code of somebody else's choosing
BANNED = {
    "CallMethodViaReflection", "CurrentDate", "CurrentTimestamp", "Now", "LocalTimestamp", "CurrentTime", "CurrentUser",
    "CurrentDatabase", "CurrentCatalog", "CurrentTimeZone", "InputFileName", "InputFileBlockStart", "InputFileBlockLength",
    "PythonUDF", "ScalaUDF",
}  # fmt: skip
NOT_FOR_A_CSV = (T.ArrayType, T.MapType, T.StructType, T.BinaryType, T.NullType, T.UserDefinedType)


def check(spark: SparkSession, schema: TableSchema, model: PipelineModel, policy: Policy, where: str) -> dict[str, str]:
    """The policy's columns with their Spark types. Raises `ModelMismatchError` naming the expression and what is wrong."""
    nothing = spark.range(0).selectExpr(*(f"CAST(NULL AS {f.spark_type}) AS {sql.name(f.name)}" for f in schema.fields))
    scored = predict.outputs(nothing, model)
    if decide.ACTION in (name.lower() for name in scored.columns):
        raise ModelMismatchError(
            f"policy {where}: the name 'action' is taken by a column of the schema or model; rename that"
        )
    if any(rule.limit is not None for rule in policy.rules) and not schema.primary_key:
        raise ModelMismatchError(
            f"policy {where}: a limit needs a primaryKey in the schema, so that ties break the same way each night"
        )
    decided = scored.withColumn(decide.ACTION, F.lit("").cast("string"))
    types = {
        spot: _analysed(decided, expression, f"policy {where}: {spot}")
        for spot, expression in policy.expressions().items()
    }
    for spot, kind in types.items():
        if spot.endswith(".when") and not isinstance(kind, T.BooleanType):
            raise ModelMismatchError(
                f"policy {where}: {spot}: is {kind.simpleString()}, not true or false; compare it with something"
            )
        if isinstance(kind, NOT_FOR_A_CSV) and not spot.endswith(".when"):
            raise ModelMismatchError(
                f"policy {where}: {spot}: a {kind.simpleString()} has no place in a CSV; pick an element, as probability[1]"
            )
    return {name: types[f"columns.{name}"].simpleString() for name in policy.columns}


def _analysed(frame: DataFrame, expression: str, spot: str) -> T.DataType:
    try:
        # a rule's expressions are put into larger ones: each must be whole by itself
        whole = sql.bracketed(expression) if spot.endswith((".when", ".by")) else expression
        analysed = frame.select(F.expr(whole))
    except Exception as error:  # parse and analysis errors differ by Spark version
        raise ModelMismatchError(
            f"{spot}: {expression!r}: {_said(error)}; the columns are {', '.join(frame.columns)[:300]}"
        ) from error
    if len(analysed.columns) != 1:
        raise ModelMismatchError(f"{spot}: {expression!r} is {len(analysed.columns)} columns; name one")
    java: Any = analysed
    plan = java._jdf.queryExecution().analyzed()
    for node in _nodes(plan.expressions()):
        kind = node.getClass().getSimpleName()
        if kind in BANNED or "Subquery" in kind or not node.deterministic():
            raise ModelMismatchError(
                f"{spot}: {expression!r}: {node.prettyName()} is not allowed; use deterministic functions of the row's columns"
            )
    # what looks at other rows, or makes rows, adds nodes to the plan beside the one projection
    if _height(analysed) != _height(frame) + 1 or plan.getClass().getSimpleName() != "Project":
        raise ModelMismatchError(
            f"{spot}: {expression!r}: sub-queries, aggregates, windows and generators are not allowed; a rule sees one row"
        )
    return analysed.schema.fields[0].dataType


def _height(frame: Any) -> int:
    return len(str(frame._jdf.queryExecution().analyzed().toString()).strip().splitlines())


def _nodes(expressions: Any) -> Iterator[Any]:
    for index in range(expressions.size()):
        node = expressions.apply(index)
        yield node
        yield from _nodes(node.children())


def _said(error: Exception) -> str:
    text = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    return text.split("; line ")[0].split("== SQL ==")[0].split(";\n")[0].strip()[:240]
