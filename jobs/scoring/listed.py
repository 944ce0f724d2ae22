"""Files of a store that were listed already: Spark would ask for each by itself, with two requests, and again in every pass."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from jobs.scoring.calls import SPARK_SQL, calls_of

HADOOP = "org.apache.hadoop.fs"
SOURCES = f"{SPARK_SQL}.execution.datasources"


def texts(spark: SparkSession, files: Mapping[str, int], options: Mapping[str, str]) -> DataFrame:
    """What `spark.read.options(**options).text` gives for `files`: URIs that Spark takes, with their sizes in bytes."""
    known: Any = spark
    calls, session = calls_of(spark), known._jsparkSession
    none, settings = calls.java("scala.Option").empty(), calls.map_of(options)
    struct = calls.java(f"{SPARK_SQL}.types.StructType")
    text, columns = calls.java(f"{SOURCES}.text.TextFileFormat")(), struct().add("value", "string")
    index = _index(spark, tuple(files.items()))
    relation = calls.java(f"{SOURCES}.HadoopFsRelation")(index, struct(), columns, none, text, settings, session)
    return DataFrame(session.baseRelationToDataFrame(relation), spark)


@lru_cache(maxsize=8)  # of each layout, for all passes
def _index(spark: SparkSession, files: tuple[tuple[str, int], ...]) -> Any:
    context: Any = spark.sparkContext
    known: Any = spark
    calls, session = calls_of(spark), known._jsparkSession
    # what the index asks first; on a platform that has none it lists the files itself
    cache = calls.java(f"{SOURCES}.FileStatusCache").getOrCreate(session)
    path_of, status_of = calls.java(f"{HADOOP}.Path"), calls.java(f"{HADOOP}.FileStatus")
    paths = []
    for uri, size in files:
        path, of_one = path_of(uri), context._gateway.new_array(status_of, 1)
        of_one[0] = status_of(size, False, 0, 0, 0, path)
        cache.putLeafFiles(path, of_one)
        paths.append(path)
    none = calls.java("scala.Option").empty()
    index = calls.java(f"{SOURCES}.InMemoryFileIndex")
    return index(session, calls.seq(paths), calls.map_of({}), none, cache, none, none)
