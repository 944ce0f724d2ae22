"""Files of a store that were listed already: Spark would ask for each by itself, with two requests, and again in every pass."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from jobs.scoring.calls import SPARK_SQL, Calls, calls_of

HADOOP = "org.apache.hadoop.fs"
SOURCES = f"{SPARK_SQL}.execution.datasources"


def texts(spark: SparkSession, files: Mapping[str, int], options: Mapping[str, str]) -> DataFrame:
    """What `spark.read.options(**options).text` gives for `files`: URIs that Spark takes, with their sizes in bytes."""
    calls = calls_of(spark)
    none, settings = calls.java("scala.Option").empty(), calls.map_of(options)
    struct = calls.java(f"{SPARK_SQL}.types.StructType")
    text, columns = calls.java(f"{SOURCES}.text.TextFileFormat")(), struct().add("value", "string")
    index = _index(calls, tuple(files.items()))
    relation = calls.java(f"{SOURCES}.HadoopFsRelation")(index, struct(), columns, none, text, settings, calls.session)
    return DataFrame(calls.session.baseRelationToDataFrame(relation), spark)


@lru_cache(maxsize=8)  # of each layout, for all passes
def _index(calls: Calls, files: tuple[tuple[str, int], ...]) -> Any:
    # what the index asks first; on a platform that has none it lists the files itself
    cache = calls.java(f"{SOURCES}.FileStatusCache").getOrCreate(calls.session)
    paths = []
    for uri, size in files:
        paths.append(calls.java(f"{HADOOP}.Path")(uri))
        status = calls.java(f"{HADOOP}.FileStatus")(size, False, 0, 0, 0, paths[-1])
        cache.putLeafFiles(paths[-1], calls.array_of(f"{HADOOP}.FileStatus", [status]))
    none = calls.java("scala.Option").empty()
    index = calls.java(f"{SOURCES}.InMemoryFileIndex")
    return index(calls.session, calls.seq(paths), calls.map_of({}), none, cache, none, none)
