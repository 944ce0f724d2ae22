"""Where a row's time goes: CPU seconds of the JVM by stage of its way, each stage run with all before it."""

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, Observation, SparkSession

from benchmarks import data
from benchmarks.contenders import MODEL
from jobs.contract import policy, preflight, saved_model, table_schema
from jobs.handoff import inputs
from jobs.scoring import decide, predict, read, session, unseen, validate

TICKS = os.sysconf("SC_CLK_TCK")


def stages(spark: SparkSession, folder: Path, source: Path) -> Iterator[tuple[str, DataFrame]]:
    """Each stage's name and the frame up to it."""
    schema = table_schema.parse((folder / "schema.json").read_text(), "schema.json")
    rules = policy.parse((folder / "policy.json").read_text(), "policy.json")
    saved = saved_model.parse(inputs.model_metadata(MODEL), MODEL)
    needs = preflight.check(saved, schema, where=MODEL, running_spark=spark.version)
    model = predict.load(spark, "file://" + MODEL)
    found = inputs.find((str(source),))
    files = read.source(spark, found.layouts(schema), [], schema, size=found.size)
    some_layout = next(iter(files.csv.values()))
    yield "text read", spark.read.option("lineSep", "\n").text(some_layout)
    rows = read.rows(spark, files, schema)
    yield "lines split", rows
    checked = validate.check(rows, schema, needs.required, Observation())
    yield "cells checked and typed", checked
    scored = unseen.flagged(predict.score(checked, model, saved), model)
    yield "model applied, output checked", scored
    decided = decide.actions(scored, rules, schema.primary_key)
    lines = decide.tallied(decide.lines(decided, rules), rules, Observation())
    yield "action chosen, line built and tallied", lines


def cpu_seconds(jvm: int) -> float:
    """CPU seconds that process `jvm` has used."""
    fields = Path(f"/proc/{jvm}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nightly-profile-") as work:
        folder = Path(work)
        warm, source = data.generate(folder, options.rows // 10), data.generate(folder, options.rows)
        spark = session.start(app_name="profile", schemes={"file"})
        context: Any = spark.sparkContext
        jvm = context._gateway.proc.pid
        for _, frame in stages(spark, folder, warm):
            frame.write.format("noop").mode("overwrite").save()
        print("| a row's way so far | CPU s | CPU s more |\n| --- | --- | --- |")
        last = 0.0
        for name, frame in stages(spark, folder, source):
            before = cpu_seconds(jvm)
            frame.write.format("noop").mode("overwrite").save()
            used = cpu_seconds(jvm) - before
            print(f"| {name} | {used:.1f} | {used - last:.1f} |", flush=True)
            last = used
        spark.stop()


if __name__ == "__main__":
    main()
