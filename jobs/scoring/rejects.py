"""The rejected rows as they came, why, and where they stand. A second pass, made only when rows were rejected."""

from functools import reduce
from typing import Optional

from pyspark.ml import PipelineModel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.contract.saved_model import SavedModel
from jobs.contract.table_schema import TableSchema
from jobs.scoring import decide, places, predict, read, sql, unique, validate

REASONS, SOURCE, RECORD = "_reasons", "_source", "_record"
OWN_COLUMNS = {REASONS: "string", SOURCE: "string", RECORD: "bigint"}


def collect(
    spark: SparkSession,
    source: read.Source,
    schema: TableSchema,
    required: frozenset[str],
    scoring: Optional[tuple[PipelineModel, SavedModel]],
) -> DataFrame:
    """The schema's columns as text, then `_reasons` (`code:column`, joined by `;`), `_source` and `_record` (line, from 1).

    `scoring` is the model, when rows were left out by it or after it; finding those costs several further passes.
    """
    # what is late has to be found again among all rows, by its place
    located = bool(scoring) or not read.one_scan(source)
    rows = read.rows(spark, source, schema, located=located)
    columns = [_column(name) for name in (*schema.names, *read.PLACE, REASONS)]
    found = validate.rejected(rows, schema, required).select(*columns)
    if scoring:
        late = rows.drop(read.SHAPE).join(_late_reasons(rows, schema, required, scoring), list(read.PLACE))
        found = found.unionAll(late.select(*columns))
    numbered = found.join(
        F.broadcast(places.of_blocks(spark, source, located=located)), [read.FILE, read.BLOCK], "left"
    )
    line = f"coalesce({places.BEFORE} + {read.ROW_ID} - {places.FIRST_ID} + 1, {read.ROW_ID}) AS {RECORD}"
    file = f"regexp_replace({read.FILE_NAME}, '^file:(//)?(?=/)|(?<=^s3)a(?=:)', '') AS {SOURCE}"
    placed = numbered.selectExpr(*map(sql.name, schema.names), REASONS, file, line)
    # every file has one header; only a further one is a fault
    return placed.where(f"NOT ({REASONS} = 'repeated-header' AND {RECORD} = 1)")


def by_reason(rejects: DataFrame) -> dict[str, int]:
    """How many rows have each reason; a row with two counts for both."""
    each = rejects.select(F.explode(F.split(REASONS, ";")).alias("reason"))
    return {row[0]: row[1] for row in each.groupBy("reason").count().orderBy(F.desc("count"), "reason").collect()}


def lines(rejects: DataFrame) -> DataFrame:
    """One RFC 4180 record a row as `line`, ordered by file and line."""
    cells = [decide.csv_cell(f.name, f.dataType) for f in rejects.schema.fields]
    return rejects.orderBy(SOURCE, RECORD).select(F.expr(decide.csv_line(cells)).alias("line"))


def _late_reasons(
    rows: DataFrame, schema: TableSchema, required: frozenset[str], scoring: tuple[PipelineModel, SavedModel]
) -> DataFrame:
    """Place and reason of the rows that were fine until the model, or until another row had the same key."""
    good = validate.check(rows, schema, required, keep=read.PLACE)
    scored = predict.score(good, *scoring)
    place = [F.col(name) for name in read.PLACE]
    dropped = good.join(scored.select(*place), list(read.PLACE), "left_anti").select(
        *place, F.lit("model-dropped").alias(REASONS)
    )
    unusable = scored.where(f"{predict.FAULT} IS NOT NULL").select(*place, F.col(predict.FAULT).alias(REASONS))
    parts = [dropped, unusable]
    if schema.keys:
        repeats = unique.repeats(scored, schema.keys)
        parts.append(
            repeats.where(f"{unique.REPEATED} IS NOT NULL").select(*place, F.col(unique.REPEATED).alias(REASONS))
        )
    return reduce(DataFrame.unionAll, parts)


def _column(name: str) -> Column:
    return F.col(sql.name(name))


def columns(schema: TableSchema) -> dict[str, str]:
    """The columns of rejects.csv with their Spark types: every input cell as text, then the job's own."""
    return {**dict.fromkeys(schema.names, T.StringType().simpleString()), **OWN_COLUMNS}
