"""PROGRAM: score files with a saved pipeline and publish one CSV of actions, whole or not at all."""

import jobs.early  # noqa: F401 - before all that takes its time to load

# isort: split
import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Any, Optional

import click
import pyspark
from pyspark.sql import DataFrame, SparkSession

from jobs import cli, program
from jobs.contract import gates, policy, preflight, saved_model, table_schema
from jobs.contract.agreed import Agreed, Options
from jobs.errors import HandOffError, InputRefusedError, ModelMismatchError
from jobs.handoff import apart, inputs, outcome, uris
from jobs.handoff.manifest import Table
from jobs.handoff.publish import ACTIONS, REJECTS, Steps, Wanted
from jobs.handoff.run import Run, starting
from jobs.handoff.storage import before_spark, storage_for
from jobs.scoring import (
    analyse,
    decide,
    direct,
    failures,
    gaps,
    predict,
    read,
    rejects,
    session,
    unique,
    unseen,
    validate,
)
from jobs.scoring.counters import Counters
from jobs.scoring.model import Model, load_model
from jobs.scoring.prepare import BLANKS, HEADERS, OPEN_QUOTES, Prepared, Totals, look, prepared

Counts = dict[str, int]
Columns = dict[str, str]


def journey(rows: Prepared, agreed: Agreed, model: Model) -> tuple[DataFrame, Counters, Counters]:
    """A record's way to a line of the CSV: it has been read and judged (`Prepared`), and gets a prediction, an action and its text.

    With what will have counted the records before the model and the lines after it, once those are written.
    """
    scored, before = modelled(rows, agreed, model)
    decided = decide.actions(scored, agreed.policy, agreed.schema.primary_key)
    lines = decide.lines(decided, agreed.policy)
    kinds, rest, amounts = decide.kinds(agreed.policy), decide.WITHOUT_ACTION, decide.amounts(lines)
    if before is None:
        before = after = rows.counters(kinds, rest, amounts)
    elif rows.numbered:
        after = gaps.counters(rows.spark, rows.source, kinds, rest, amounts)
    else:
        after = Counters(rows.spark, kinds, rest, amounts=amounts)
    return after.counting(lines).where(decide.KEPT).select("line"), before, after


def modelled(rows: Prepared, agreed: Agreed, model: Model) -> tuple[DataFrame, Optional[Counters]]:
    """The records with what the model gives them, and what counts them before it; None where it leaves none out.

    `exact` rows settle which of several with one key comes first; else they all get through.
    """
    if not rows.exact:
        scored = direct.score(rows.records, model, agreed.saved)
        if scored is not None:
            return scored, None
    before = rows.counters({}, "valid", {})
    # parted there, as all of it is too much for one method (0009)
    records = validate.fenced(rows.placed(before.counting(rows.records)))
    scored = predict.score(validate.good(records, agreed.schema, keep=rows.place), model, agreed.saved)
    if rows.exact:
        scored = unique.first_of_each(scored, agreed.schema.keys)
    scored = unseen.flagged(scored, model)
    return gaps.watched(scored) if rows.numbered else scored, before


def planned(
    rows: Prepared, agreed: Agreed, model: Model, checked: Future[Columns]
) -> tuple[DataFrame, Counters, Counters]:
    """The `journey`, once all is `checked` that can be before a row is read. Raises what was found out then."""
    # for each budget a job reads the rows; a stage that is not Spark's own may read them too, and need not be thread-safe
    if agreed.policy.has_budgets or not model.is_sparks:
        checked.result()
    try:
        plan = journey(rows, agreed, model)
    except Exception:
        checked.result()  # which says better what is wrong
        raise
    checked.result()
    return plan


def write_actions(
    rows: Prepared, agreed: Agreed, model: Model, checked: Future[Columns], parts: str
) -> tuple[Prepared, Counts]:
    """Write the lines in one pass; again, the careful way, only if the pass met what it must not guess about.

    Returns the rows as they were read at last, and what was found out of them.
    """
    spark = rows.spark
    while True:
        lines, before, after = planned(rows, agreed, model, checked)
        before.start()  # the job of a budget has met these already
        lines.write.mode("overwrite").text(parts, compression="none")  # a platform may have all files packed
        counts = {**before.totals(), **after.totals()}
        missing = gaps.between(spark, after, before.rows()) if gaps.REACHED in counts else {}
        source = replace(rows.source, records=before.rows(), aside=before.beside(), gaps=missing)
        if counts[HEADERS] < source.csv_files:
            raise InputRefusedError("a file changed while it was read; run again when the delivery is complete")
        if counts[OPEN_QUOTES] and source.broken is None:
            source = replace(source, broken=read.broken(spark, source))
            if source.broken:
                rows = prepared(spark, source, agreed)
                continue
        if suspects := rows.suspects(before, agreed.schema):
            repeated = unique.repeated(spark, source, agreed, model, suspects)
            rows = prepared(spark, replace(source, repeated=repeated), agreed, exact=repeated is None)
        else:
            return replace(rows, source=source), counts


def write_rejects(
    rows: Prepared, agreed: Agreed, model: Optional[Model], run: Run, *, count: int, rest: Optional[DataFrame]
) -> tuple[Wanted, rejects.Told]:
    """Write about `count` rejected rows with their reasons, and count those; without `model`, only those rejected before it.

    All of them are among the `rest` of the rows, if it is known which those are.
    """
    keys = agreed.schema.keys if rows.exact else ()  # else there is proof that none is repeated
    late = rejects.Late(model, agreed.saved, keys, count, rest) if model else None
    found = rejects.find(rows.spark, rows.source, agreed.schema, agreed.needs.required, late)
    counts, told = rejects.write(found, agreed.schema, run.parts(REJECTS), count=count)
    return Wanted(counts["lines"], counts["bytes"], counts["lines"] + counts["feeds_inside"]), told


def write_both(
    rows: Prepared, agreed: Agreed, model: Model, checked: Future[Columns], run: Run
) -> tuple[Wanted, Wanted, Counts]:
    """Write the lines and the rejected rows, counted, the latter by code too.

    Raises `HandOffError` if the counts do not add up.
    """
    rows, counts = write_actions(rows, agreed, model, checked, run.parts(ACTIONS))
    found = Totals(rows.source, counts, agreed.policy)
    run.steps.done("score", f"{found.rows_read:,} rows read, {found.published:,} with an action")
    rejected, told, rest = Wanted(0, 0, 0), rejects.Told({}, {}), None
    unseen_too = counts.get("unseen", 0)
    if look_again := found.left_out_late or unseen_too > 0:
        again = found.left_out + unseen_too + counts[BLANKS]
        rest = gaps.rest(rows.spark, rows.source, agreed.schema, agreed.needs.required, again)
    if found.left_out:
        left_by = model if found.left_out_late else None
        rejected, told = write_rejects(rows, agreed, left_by, run, count=found.left_out, rest=rest)
        run.steps.done("rejects", f"{rejected.rows:,} {'row' if rejected.rows == 1 else 'rows'} rejected")
    run.summary.update(
        rows_read=found.rows_read,
        rows_published=found.published,
        rows_without_action=found.without_action,
        rows_rejected=rejected.rows,
        rejected_by_reason=told.by_reason,
        actions=found.actions,
    )
    if rejected.rows != found.left_out:
        raise HandOffError(f"the counts do not add up: {run.summary}; nothing was published; run again")
    if look_again:
        report_unseen(rows, agreed, model, run, rest)
    rows.spark.catalog.clearCache()  # of the rest
    written = Wanted(found.published, counts["bytes"], found.published + counts.get("feeds_inside", 0))
    return written, rejected, told.by_code


def report_unseen(rows: Prepared, agreed: Agreed, model: Model, run: Run, rest: Optional[DataFrame]) -> None:
    """Put into the summary the categories that the model was not fitted on, of the `rest` of the rows or of all."""
    if rest:
        good = validate.good(rest, agreed.schema)
    else:
        good = validate.check(read.rows(rows.spark, rows.source, agreed.schema), agreed.schema, agreed.needs.required)
    if found := unseen.categories(good, model):
        run.summary["unseen_categories"] = found


def hand_over(rows: Prepared, agreed: Agreed, model: Model, checked: Future[Columns], run: Run) -> str:
    """Score, count, hold the counts against the gates and publish; returns the run folder."""
    actions, rejected, by_code = write_both(rows, agreed, model, checked, run)
    reject_table = Table(
        REJECTS, rejects.columns(agreed.schema), (table_schema.SOURCE, table_schema.RECORD), rejected.rows
    )
    try:
        told = {name: run.summary[name] for name in ("rows_read", "rows_rejected", "rejected_by_reason")}
        agreed.gates.check(**told, rejected_by_code=by_code)
    except InputRefusedError as error:
        raise run.refused(error, reject_table, rejected) from error
    key = agreed.policy.published_key(agreed.schema.primary_key)
    action_table = Table(ACTIONS, checked.result(), key, actions.rows)
    return run.publish([(action_table, actions), (reject_table, rejected)], agreed.needs.notes)


def score(options: Options) -> Mapping[str, Any]:
    """The whole run, from the agreement to the published folder; returns the summary. Raises `JobError`s."""
    steps = Steps()
    uris.check(options.named_uris)
    apart.check(options.inputs, options.output, options.run_date)
    texts = {name: inputs.text_of(getattr(options, name), name) for name in ("schema", "policy")}
    schema = table_schema.parse(texts["schema"], options.schema)
    rules = policy.parse(texts["policy"], options.policy)
    limits = gates.Gates(options.max_rejects, options.min_rows, schema.max_rejects)
    metadata = inputs.model_metadata(options.model)
    saved = saved_model.parse(metadata, options.model)
    if saved.in_python:
        load_pyspark_ml(options.model)
    needs = preflight.check(saved, schema, where=options.model, running_spark=pyspark.__version__)
    agreed = Agreed(schema, rules, limits, saved, needs)
    found = inputs.find(options.inputs)
    layouts = found.layouts(schema)
    files = "1 input file" if len(found.files) == 1 else f"{len(found.files):,} input files"
    steps.done("inputs", "; ".join([f"{files}, {found.size:,} bytes", *needs.notes]))
    if options.dry_run:
        spark = started(options, found, steps)
        with session.looked_after(spark, outcome.told):
            analyse.check(spark, agreed, loaded(spark, options, agreed, steps), options.policy)
        steps.done("check", "schema, policy and model fit; no row was read, nothing is published")
        return {"status": "nothing-to-do", "dry_run": True, "notes": needs.notes, "seconds": steps.seconds}
    with starting(options, found, {**texts, "model": str(sorted(metadata.items()))}, steps) as (run, already):
        if already:
            return run.ended("nothing-to-do", already)
        spark = started(options, found, steps)
        # the loading of a model leaves a core idle, and so does what follows it
        with (
            session.looked_after(spark, outcome.told),
            failures.explained(options, lambda: read.damaged(spark, layouts)),
            ThreadPoolExecutor(1, initializer=session.use, initargs=(spark,)) as beside,
        ):
            looked = beside.submit(look, spark, layouts, found.parquet, agreed, size=found.size)
            model = loaded(spark, options, agreed, steps)
            checked = beside.submit(analyse.check, spark, agreed, model, options.policy)
            path = hand_over(looked.result(), agreed, model, checked, run)
        return run.ended("published", path)


def load_pyspark_ml(model: str) -> None:
    """Import what loads a model that PySpark saved. Raises `ModelMismatchError`."""
    try:
        program.whole_import("pyspark.ml")
    except ImportError as error:
        raise ModelMismatchError(
            f"model {model}: PySpark has to load it, and lacks a module ({error}); install that"
        ) from error


def started(options: Options, found: inputs.Inputs, steps: Steps) -> SparkSession:
    """Spark, set up for the inputs that were found."""
    spark = session.start(
        app_name=f"nightly-actions {options.run_date}",
        schemes=before_spark(options.spark_uris),
        size=found.size,
        unpacked=found.unpacked,
        files=len(found.files),
    )
    steps.done("spark", f"Spark {spark.version} is up")
    return spark


def loaded(spark: SparkSession, options: Options, agreed: Agreed, steps: Steps) -> Model:
    """The model, loaded."""
    model = load_model(spark, storage_for(options.model).for_spark(options.model), agreed.saved)
    steps.done("model", f"model loaded ({len(agreed.saved.stages)} stages)")
    return model


@click.command(params=cli.OPTIONS, epilog=cli.EXAMPLE)
def main(**values: Any) -> Mapping[str, Any]:
    """Score files with a saved Spark ML pipeline and publish one CSV of actions. A URI is a path, file://, s3:// or s3a://.

    Exit codes: 0 published or nothing to do, 2 usage, 3 input refused, 4 model does not fit, 5 hand-off failed,
    6 another run is under way, 1 unexpected.
    """
    gates.allowed(values["max_rejects"], 0)
    options = Options.filled_in(values)
    with redirect_stdout(sys.stderr), failures.explained(options):  # a stage in Python may print
        return score(options)


if __name__ == "__main__":
    program.run(lambda: main(standalone_mode=False, prog_name="./submit.sh score"))
