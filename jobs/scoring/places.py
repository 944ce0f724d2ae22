"""Which line of its file a record stands on: how many records come before each block of a file."""

from functools import reduce
from typing import Any, Optional

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.scoring import read

FIRST_ID, BEFORE = "_na_first_id", "_na_before"
TASK_SHIFT = 33  # of the number of the task in `read.ROW_ID`


def of_blocks(spark: SparkSession, source: read.Source, *, located: bool) -> DataFrame:
    """For each block of each file its `FIRST_ID` (the lowest `ROW_ID` in it) and how many records are `BEFORE` it.

    Files are spelled as in rows that were read `located`, or as in `read.FOUND_IN`, which differ in Spark.
    """
    ids = None if located else _counted_by_task(spark, source)
    if ids is None:
        # a stitched file's rows are numbered by line already
        whole = [
            frame.where(~F.col(read.FILE).isin(*source.broken))
            for _, frame in read.csv_lines(spark, source, located=True)
        ]
        frames = whole + read.parquet_frames(spark, source)
        rows = reduce(DataFrame.unionAll, [frame.select(*read.PLACE) for frame in frames])
        if not located:
            rows = rows.withColumn(read.FILE, F.input_file_name())
        ids = rows.groupBy(read.FILE, read.BLOCK).agg(F.min(read.ROW_ID).alias(FIRST_ID), F.count("*").alias("n"))
    before = f"coalesce(sum(n) OVER (PARTITION BY {read.FILE} ORDER BY {read.BLOCK} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)"
    return ids.selectExpr(read.FILE, read.BLOCK, FIRST_ID, f"{before} AS {BEFORE}")


def _counted_by_task(spark: SparkSession, source: read.Source) -> Optional[DataFrame]:
    """The blocks with their `FIRST_ID` and number of records `n`, counted without looking into a line; None if a task has several."""
    ((_, files),) = source.csv.items()
    lines: Any = read.reader(spark).option("lineSep", "\n").text(files)
    tasks = [list(task.files()) for task in lines._jdf.queryExecution().toRdd().partitions()]
    if any(len(blocks) != 1 for blocks in tasks):
        return None
    counts = dict(lines.groupBy(F.spark_partition_id()).count().collect())
    rows = [
        (block.urlEncodedPath(), block.start(), task << TASK_SHIFT, counts[task])
        for task, (block,) in enumerate(tasks)
        if task in counts
    ]
    return spark.createDataFrame(rows, f"{read.FILE} string, {read.BLOCK} bigint, {FIRST_ID} bigint, n bigint")
