"""Which line of its file a record stands on: how many records come before each block of a file."""

from collections.abc import Mapping
from functools import reduce
from typing import Any, Optional
from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.scoring import read, sql

FIRST_ID, BEFORE = "_na_first_id", "_na_before"
# `read.ROW_ID` is the number of the task, and that of the record in it
TASK_SHIFT = 33
TASK, NUMBER = f"shiftright({read.ROW_ID}, {TASK_SHIFT})", f"({read.ROW_ID} & {(1 << TASK_SHIFT) - 1}L)"
# whether it is the first record of its file: the header
IS_FIRST = f"{read.BLOCK} = 0 AND {NUMBER} = 0"
# file and start of a block
Block = tuple[str, int]


def of_blocks(spark: SparkSession, source: read.Source) -> DataFrame:
    """For each block of each file its `FIRST_ID` (the lowest `ROW_ID` in it) and how many records are `BEFORE` it."""
    scans = [frame for _, frame in read.csv_lines(spark, source, located=True)] + read.parquet_frames(spark, source)
    rows = reduce(DataFrame.unionAll, [scan.select(*read.PLACE) for scan in scans])
    ids = rows.groupBy(read.FILE, read.BLOCK).agg(F.min(read.ROW_ID).alias(FIRST_ID), F.count("*").alias("n"))
    before = f"coalesce(sum(n) OVER (PARTITION BY {read.FILE} ORDER BY {read.BLOCK} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)"
    return ids.selectExpr(read.FILE, read.BLOCK, FIRST_ID, f"{before} AS {BEFORE}")


def of_tasks(spark: SparkSession, source: read.Source) -> Optional[list[Block]]:
    """The one block that each task reads, where it is one scan; None if a task has several."""
    if not read.one_scan(source):
        return None
    ((_, lines),) = read.csv_lines(spark, source, located=False)
    java: Any = lines
    tasks = [list(task.files()) for task in java._jdf.queryExecution().toRdd().partitions()]
    if any(len(blocks) != 1 for blocks in tasks):
        return None
    return [(block.urlEncodedPath(), block.start()) for (block,) in tasks]


def in_order(blocks: list[Block]) -> list[int]:
    """The tasks by the names of their files, and within a file by where they begin."""
    return sorted(range(len(blocks)), key=lambda task: (unquote(blocks[task][0]), blocks[task][1]))


def in_blocks(blocks: list[Block]) -> tuple[str, str]:
    """SQL for the file and the block in which the record of a `ROW_ID` stands, by the `blocks` of the tasks."""
    files = ", ".join(sql.text(file) for file, _ in blocks)
    starts = ", ".join(f"{start}L" for _, start in blocks)
    return f"array({files})[{TASK}] AS {read.FILE}", f"array({starts})[{TASK}] AS {read.BLOCK}"


def line_number(blocks: list[Block], records: Mapping[int, int]) -> str:
    """SQL for the line, from 1, on which the record of a `ROW_ID` stands; each task reads so many `records` of its block."""
    before, so_far = [0] * len(blocks), dict[str, int]()
    for task in in_order(blocks):
        file, _ = blocks[task]
        before[task] = so_far.get(file, 0)
        so_far[file] = before[task] + records.get(task, 0)
    return f"array({', '.join(f'{n}L' for n in before)})[{TASK}] + {NUMBER} + 1"
