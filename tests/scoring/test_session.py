"""How an input is shared out among tasks, and what PySpark is told so that it need not ask."""

import random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.scoring import session, splits

MB = 1 << 20


@pytest.mark.parametrize("files", [1, 2, 3, 5, 8, 16, 40])
@pytest.mark.parametrize("megabytes", [18, 40, 400, 1500, 40_000])
def test_of_files_nearly_as_large_as_each_other_no_small_rest_is_left_to_a_task(megabytes: int, files: int) -> None:
    draw = random.Random(files)
    sizes = [int(megabytes * MB / files * draw.uniform(0.997, 1.003)) for _ in range(files)]
    split = splits.split_bytes(sum(sizes), files)
    pieces = [min(split, size - start) for size in sizes for start in range(0, size, split)]
    assert min(pieces) >= 0.4 * max(pieces) or len(pieces) > 20 * files  # of very many it would not matter
    assert max(pieces) <= 1.6 * splits.MOST_SPLIT_BYTES
    # as many as there are to be, where the files are not too many or too small for that
    if files <= splits.SPLITS and megabytes >= 100:
        wanted = max(splits.SPLITS, megabytes * MB / splits.MOST_SPLIT_BYTES)
        assert wanted * 0.6 <= len(pieces) <= wanted * 1.6


def test_of_very_many_files_a_task_reads_several() -> None:
    assert splits.split_bytes(100 * MB, 10_000) == 100 * MB // splits.SPLITS


@pytest.mark.parametrize("parts", [{1.0: 1.0}, {0.58: 0.62, 1.69: 0.38}], ids=["alike", "of-two-sizes"])
@pytest.mark.parametrize("files", [3, 100, 4_000, 8_000, 9_000, 12_000, 70_000])
@pytest.mark.parametrize("gigabytes", [100, 300, 540, 700, 5_000])
def test_what_the_tasks_write_fits_in_an_upload_to_s3(gigabytes: int, files: int, parts: dict[float, float]) -> None:
    # as large as each other, or of two sizes that do not go together in a task
    sizes = [int(gigabytes * 1000 * MB / files * part) for part in parts for _ in range(int(files * parts[part]))]
    split = splits.split_bytes(sum(sizes), len(sizes))
    opening = int(splits.task_settings(sum(sizes), split)["spark.sql.files.openCostInBytes"])
    tasks, filled = 1, 0
    # as Spark does it: pieces, the large ones first, as long as there is room in the task
    for piece in sorted([min(split, size - start) for size in sizes for start in range(0, size, split)], reverse=True):
        if filled + piece > split:
            tasks, filled = tasks + 1, 0
        filled += piece + opening
    assert tasks <= 10_000


@pytest.mark.parametrize("name", session.ASKED_OFTEN)
def test_a_class_that_pyspark_asks_for_often_is_the_one_that_the_jvm_would_name(spark: SparkSession, name: str) -> None:
    view: Any = spark.sparkContext._jvm
    assert vars(view)[name]._fqn == type(view).__getattr__(view, name)._fqn
