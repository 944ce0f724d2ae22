"""Where a row's time goes: CPU seconds of the JVM by stage of its way, each stage run with all before it."""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from benchmarks import data
from benchmarks.contenders import MODEL
from benchmarks.run import ROOT, provenance
from jobs.contract import gates, policy, preflight, saved_model, table_schema
from jobs.contract.agreed import Agreed
from jobs.handoff import inputs
from jobs.score import journey
from jobs.scoring import direct, prepare, read, session, unique, validate
from jobs.scoring.model import load_model

PAGE = ROOT / "benchmarks" / "PROFILE.md"
KEYS = "keys in no order: looked at, apart"
SUBMIT = "--master local[*] --driver-memory 2g --conf spark.ui.enabled=false --driver-java-options -XX:+UseParallelGC"
TICKS = os.sysconf("SC_CLK_TCK")


def stages(spark: SparkSession, folder: Path, source: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Each stage's name and what does it with all that comes before it; the keys, which are a pass apart, come last."""
    schema = table_schema.parse(data.schema_of(source).read_text(), "schema.json")
    rules = policy.parse((folder / "policy.json").read_text(), "policy.json")
    saved = saved_model.parse(inputs.model_metadata(MODEL), MODEL)
    needs = preflight.check(saved, schema, where=MODEL, running_spark=spark.version)
    model = load_model(spark, "file://" + MODEL, saved)
    found = inputs.find((str(source),))
    agreed = Agreed(schema, rules, gates.Gates("0", 1, {}), saved, needs)
    looked = prepare.look(spark, found.layouts(schema), [], agreed, size=found.size)
    some_layout = next(iter(looked.source.csv.values()))
    yield "text read", _through(spark.read.option("lineSep", "\n").text([*some_layout]))
    rows = read.rows(spark, looked.source, schema)
    yield "lines split", _through(rows)
    yield "cells checked and typed", _through(validate.judged(rows, schema, needs.required))
    yield "keys watched", _through(looked.records)
    scored = direct.score(looked.records, model, saved)
    assert scored is not None
    yield "model applied, output checked", _through(scored)
    yield "action chosen, line built and tallied", _through(journey(looked, agreed, model)[0])
    yield KEYS, lambda: unique.suspects(spark, looked.source, schema)


def _through(frame: DataFrame) -> Callable[[], object]:
    return lambda: frame.write.format("noop").mode("overwrite").save()


def cpu_seconds(jvm: int) -> float:
    """CPU seconds that process `jvm` has used."""
    fields = Path(f"/proc/{jvm}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def main() -> None:
    """Print a Markdown table, and with --write put it into PROFILE.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--write", action="store_true", help="write benchmarks/PROFILE.md")
    options = parser.parse_args()
    lines = [f"# Profile\n\n{provenance('profile')}: CPU seconds of the warm JVM.\n"]
    lines += ["| a row's way so far | CPU s | CPU s more |", "| --- | --- | --- |"]
    with tempfile.TemporaryDirectory(prefix="nightly-profile-") as work:
        folder = Path(work)
        warm, source = data.generate(folder, options.rows // 10), data.generate(folder, options.rows)
        os.environ["PYSPARK_SUBMIT_ARGS"] = f"{SUBMIT} pyspark-shell"
        size = sum(file.stat().st_size for file in source.glob("*.csv"))
        spark = session.start(app_name="profile", schemes={"file"}, size=size, files=data.FILES)
        context: Any = spark.sparkContext
        jvm = context._gateway.proc.pid
        for _, work_done in stages(spark, folder, warm):
            work_done()
        last = 0.0
        for name, work_done in stages(spark, folder, source):
            before = cpu_seconds(jvm)
            work_done()
            used = cpu_seconds(jvm) - before
            lines.append(f"| {name} | {used:.1f} | {used - (0 if name == KEYS else last):.1f} |")
            last = used
        spark.stop()
    print("\n".join(lines))
    if options.write:
        PAGE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
