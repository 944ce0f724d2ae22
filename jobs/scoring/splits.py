"""How an input is shared out among tasks: by its size and number of files alone, so that every machine gives the same parts."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

# how many tasks read an input, and what one is to read, about
SPLITS, LEAST_SPLIT_BYTES, MOST_SPLIT_BYTES = 16, 4 << 20, 64 << 20
# above so many each reads more: an upload to S3 takes 10,000 parts, and there may be four times as many tasks, as one may read
# little more than half of what it is to, and of two that are packed with files one may be nearly empty
MOST_SPLITS = 2_500
# the same for a task that holds all of its rows' keys in memory, and how many of those there are before they grow
SMALL_SPLIT_BYTES, SMALL_TASKS = 16 << 20, 512
# a task reads at most so many small files; of an input of at most so many, it reads one only, so that keys in order show
FILES_A_TASK, FEW_FILES = 64, 64
# below this all keys are gathered in the driver
SMALL_BYTES = 16 << 20


def split_bytes(size: int, files: int = 1) -> int:
    """How much of an input of `size` bytes in `files` one task reads.

    Files as large as they are on average, or somewhat larger, come out even: no small rest is left to a task of its own.
    """
    wanted = max(min(MOST_SPLIT_BYTES, max(LEAST_SPLIT_BYTES, size // SPLITS)), size // MOST_SPLITS)
    pieces_a_file = round(size / files / wanted)
    # the last piece of a file is smaller by an eighth, or the file may be larger by as much
    return int(size / files * (1 + 1 / 8 / pieces_a_file) / pieces_a_file) if pieces_a_file else wanted


def task_settings(size: int, split: int, *, apart: bool = False) -> dict[str, str]:
    """Settings by which an input of `size` bytes is read in tasks of `split` bytes, and shuffled into as many.

    With `apart` no task reads of two files.
    """
    return {
        "spark.sql.files.maxPartitionBytes": str(split),
        "spark.sql.files.openCostInBytes": str(split if apart else split // FILES_A_TASK),
        "spark.sql.shuffle.partitions": str(max(1, -(-size // split))),
    }


@contextmanager
def small_tasks(spark: SparkSession, size: int) -> Iterator[int]:
    """In the block an input of `size` bytes is read by smaller tasks, and shuffled by as many: gives their number."""
    settings = task_settings(size, min(split_bytes(size), max(SMALL_SPLIT_BYTES, size // SMALL_TASKS)))
    before = {name: str(spark.conf.get(name)) for name in settings}
    _set(spark, settings)
    yield int(settings["spark.sql.shuffle.partitions"])
    _set(spark, before)


def _set(spark: SparkSession, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        spark.conf.set(name, value)
