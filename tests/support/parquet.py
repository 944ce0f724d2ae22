"""Parquet files as other programs write them: by Parquet's own writer, with types that Spark has not, and no mark of Spark's."""

from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession


def written(spark: SparkSession, path: Path, columns: str, *rows: dict[str, Any]) -> Path:
    """A file at `path` of `rows`, with `columns` in Parquet's own language, as `required double x;`."""
    context: Any = spark.sparkContext
    parquet = context._jvm.org.apache.parquet
    schema = parquet.schema.MessageTypeParser.parseMessageType(f"message rows {{ {columns} }}")
    target = context._jvm.org.apache.hadoop.fs.Path(f"file://{path}")
    writer = parquet.hadoop.example.ExampleParquetWriter.builder(target).withType(schema).build()
    groups = parquet.example.data.simple.SimpleGroupFactory(schema)
    for row in rows:
        group = groups.newGroup()
        for name, value in row.items():
            # as an int it might be taken for one of 32 bits
            long = f"int64 {name} " in columns
            group.append(name, context._jvm.java.lang.Long(value) if long else value)
        writer.write(group)
    writer.close()
    return path
