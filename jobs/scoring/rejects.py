"""The rejected rows as they came, why, and where they stand. A second pass, made only when rows were rejected."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from typing import Optional

from pyspark.ml import PipelineModel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.contract.saved_model import SavedModel
from jobs.contract.table_schema import TableSchema
from jobs.scoring import aside, decide, places, predict, read, sql, unique, validate

REASONS, SOURCE, RECORD = "_reasons", "_source", "_record"
OWN_COLUMNS = {REASONS: "string", SOURCE: "string", RECORD: "bigint"}


FEW = 500_000
Scoring = Optional[tuple[PipelineModel, SavedModel]]
# rows with their place, and SQL for their line
Found = tuple[DataFrame, str]


@contextmanager
def collected(
    spark: SparkSession, source: read.Source, schema: TableSchema, required: frozenset[str], scoring: Scoring
) -> Iterator[tuple[DataFrame, dict[str, int]]]:
    """The schema's columns as text, `_reasons` (`code:column`, joined by `;`), `_source` and `_record` (line, from 1); rows by reason.

    `scoring` is the model, when rows were left out by it or after it; finding those costs several further passes.
    """
    # what is late has to be found again among all rows, by its place
    set_aside = None if scoring else _among_those_aside(spark, source, schema, required)
    found, line = set_aside or _among_all_rows(spark, source, schema, required, scoring)
    file = f"regexp_replace({read.FILE_NAME}, '^file:(//)?(?=/)|(?<=^s3)a(?=:)', '') AS {SOURCE}"
    rejects = found.selectExpr(*map(sql.name, schema.names), REASONS, file, f"{line} AS {RECORD}").persist()
    yield rejects, _by_reason(rejects)
    rejects.unpersist()


def _among_those_aside(
    spark: SparkSession, source: read.Source, schema: TableSchema, required: frozenset[str]
) -> Optional[Found]:
    """The rejected rows of one scan, among the lines that the first pass has set aside; None if that may not be all."""
    kept = aside.lines(spark, source.aside, aside.most(source)) if source.aside else None
    if kept is None:
        return None
    ((layout, lines),) = read.csv_lines(spark, source, located=False)
    blocks = places.of_tasks(lines)
    if not blocks:
        return None
    placed = kept.selectExpr("*", *places.in_blocks(blocks)).where(f"NOT ({places.IS_FIRST})")
    found = validate.rejected(read.split(validate.fenced(placed), layout, schema, read.PLACE), schema, required)
    return found, places.line_number(blocks, source.records)


def _among_all_rows(
    spark: SparkSession, source: read.Source, schema: TableSchema, required: frozenset[str], scoring: Scoring
) -> Found:
    rows = read.rows(spark, source, schema, keep=read.PLACE)
    columns = [_column(name) for name in (*schema.names, *read.PLACE, REASONS)]
    found = validate.rejected(rows, schema, required).select(*columns)
    if scoring:
        late = rows.drop(read.SHAPE).join(_late_reasons(rows, schema, required, scoring), list(read.PLACE))
        found = found.unionAll(late.select(*columns))
    found = found.join(F.broadcast(places.of_blocks(spark, source)), [read.FILE, read.BLOCK], "left")
    line = f"coalesce({places.BEFORE} + {read.ROW_ID} - {places.FIRST_ID} + 1, {read.ROW_ID})"
    # every file has one header; only a further one is a fault
    return found.where(f"NOT ({REASONS} = 'repeated-header' AND {line} = 1)"), line


def _by_reason(found: DataFrame) -> dict[str, int]:
    """How many rows have each reason; a row with two counts for both."""
    each = found.select(F.explode(F.split(REASONS, ";")).alias("reason"))
    counts = {row[0]: row[1] for row in each.groupBy("reason").count().collect()}
    return dict(sorted(counts.items(), key=lambda reason: (-reason[1], reason[0])))


def lines(rejects: DataFrame, count: int) -> DataFrame:
    """One RFC 4180 record a row as `line`, ordered by file and line; there are about `count` of them."""
    cells = [decide.csv_cell(f.name, f.dataType) for f in rejects.schema.fields]
    order = (SOURCE, RECORD)
    # one task sorts a few of them sooner than Spark has found out how to share them out
    placed = rejects.coalesce(1).sortWithinPartitions(*order) if count <= FEW else rejects.orderBy(*order)
    return placed.select(F.expr(decide.csv_line(cells)).alias("line"))


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
