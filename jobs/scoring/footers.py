"""What a Parquet file's footer says of the schema's columns. What others it has does not matter: Spark need not know their types."""

from collections.abc import Iterator
from typing import Any

from pyspark.sql import SparkSession

from jobs.contract.table_schema import TableSchema
from jobs.errors import InputRefusedError
from jobs.scoring import failures, sql
from jobs.scoring.calls import java_class

PARQUET, SPARK_PARQUET = "org.apache.parquet", "org.apache.spark.sql.execution.datasources.parquet"
NO_CELLS = ("array", "map", "struct", "binary")
# where Spark notes the types that it had itself
SPARKS_OWN = "org.apache.spark.sql.parquet.row.metadata"


def columns(spark: SparkSession, uris: list[str], schema: TableSchema) -> Iterator[tuple[str, str]]:
    """Each file with the schema's columns in it, as SQL for a reader. Raises `InputRefusedError` naming file and column."""
    session: Any = spark
    hadoop = session._jsparkSession.sessionState().newHadoopConf()
    known: dict[tuple[str, str], str] = {}  # a folder's files mostly have one footer
    for uri in uris:
        footer = _footer(spark, uri, hadoop)
        told = (str(footer.getSchema().toString()), str(footer.getKeyValueMetaData().get(SPARKS_OWN)))
        if told not in known:
            known[told] = _columns(spark, uri, footer, schema)
        yield uri, known[told]


def _footer(spark: SparkSession, uri: str, hadoop: Any) -> Any:
    """The file's metadata without its row groups."""
    try:
        path = java_class(spark, "org.apache.hadoop.fs.Path")(uri)
        everything_else = java_class(spark, f"{PARQUET}.format.converter.ParquetMetadataConverter").SKIP_ROW_GROUPS
        reader = java_class(spark, f"{PARQUET}.hadoop.ParquetFileReader")
        return reader.readFooter(hadoop, path, everything_else).getFileMetaData()
    except Exception as error:  # whatever a file that is none makes Parquet say
        if failures.is_the_stores(error) or failures.is_gone(error):
            raise
        raise InputRefusedError(f"{uri}: cut off or damaged: {failures.cause(error)}; write it anew") from error


def _columns(spark: SparkSession, uri: str, footer: Any, schema: TableSchema) -> str:
    held = {str(field.getName()): field for field in footer.getSchema().getFields()}
    found = []
    for name in schema.names:
        if name not in held:
            raise InputRefusedError(
                f"{uri}: no column {name!r}; it has {', '.join(held)[:200]}; correct the file or the schema"
            )
        alike = [other for other in held if other.lower() == name.lower() and other != name]
        if alike:
            raise InputRefusedError(
                f"{uri}: has {alike[0]!r} beside column {name!r}, and Spark does not look at case; rename one"
            )
        found.append(f"{sql.name(name)} {_type(spark, uri, footer, held[name])}")
    return ", ".join(found)


def _type(spark: SparkSession, uri: str, footer: Any, field: Any) -> str:
    """What Spark calls the type of a column."""
    name = str(field.getName())
    session: Any = spark
    hadoop, schemas = f"{PARQUET}.hadoop", f"{PARQUET}.schema"
    alone = java_class(spark, f"{schemas}.MessageType")(name, [field])
    file = java_class(spark, f"{hadoop}.metadata.FileMetaData")(alone, footer.getKeyValueMetaData(), "")
    metadata = java_class(spark, f"{hadoop}.metadata.ParquetMetadata")(file, [])
    path = java_class(spark, "org.apache.hadoop.fs.Path")(uri)
    converter = java_class(spark, f"{SPARK_PARQUET}.ParquetToSparkSchemaConverter")
    try:
        read = java_class(spark, f"{SPARK_PARQUET}.ParquetFileFormat").readSchemaFromFooter(
            java_class(spark, f"{hadoop}.Footer")(path, metadata),
            converter(session._jsparkSession.sessionState().conf()),
        )
        kind = str(read.apply(name).dataType().catalogString())
    except Exception as error:
        raise InputRefusedError(
            f"{uri}: column {name!r} is of a type that Spark does not read: {failures.cause(error)}; "
            f"write it as text, or a timestamp in microseconds"
        ) from error
    if kind.startswith(NO_CELLS):
        raise InputRefusedError(
            f"{uri}: column {name!r} is of type {kind[:100]}, which a cell cannot hold; write it as text"
        )
    return kind
