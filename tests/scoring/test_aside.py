"""The Bloom filter of rejected lines: it lets every one of them through, and hardly any other."""

import json
import random
from pathlib import Path

from pyspark.sql import SparkSession

from jobs.contract import table_schema
from jobs.handoff import inputs
from jobs.scoring import read, sieve, validate
from jobs.scoring.counters import Counters
from tests.conftest import XS

BAD, ROWS = 300, 30_000


def test_the_rejected_lines_get_through_and_hardly_any_other(spark: SparkSession, tmp_path: Path) -> None:
    schema = table_schema.parse(json.dumps(XS), "schema")
    draw = random.Random(6)
    bad = [f"k{n},{draw.choice(['x', '', '1,2', '0x1p3', 'NaN'])}{n % 7}x" for n in range(BAD)]
    lines = bad + [f"k{n},{draw.gauss(0, 1e6)!r}" for n in range(BAD, ROWS)]
    draw.shuffle(lines)
    (tmp_path / "in.csv").write_text("id,x\n" + "\r\n".join(lines) + "\n\n")
    found = inputs.find((str(tmp_path),))
    source = read.source(spark, found.layouts(schema), [], schema, size=found.size)
    rows = read.rows(spark, source, schema, keep=(read.LINE,))
    records = sieve.watched(validate.judged(rows, schema, frozenset(), keep=(read.LINE,)))
    empty = sieve.empty(spark, source)
    seen = Counters(spark, {}, "row", beside=sieve.held(empty), more=[sieve.noted(spark, empty)])
    seen.counting(records).write.format("noop").mode("overwrite").save()
    ((_, every),) = read.csv_lines(spark, source, located=False)
    kept = [row[0] for row in sieve.kept(every.select("line"), sieve.merged(seen.beside())).collect()]
    # the header and the blank line are no valid rows either; what is to be made of them is not for the filter to say
    assert set(bad) | {"id,x", ""} <= set(kept)
    assert len(kept) < BAD + 2 + 0.02 * ROWS
