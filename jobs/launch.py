"""PROGRAM: sends a submit.sh command to EMR and follows it. `./submit.sh emr run --help` shows an example."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from jobs import cli
from jobs.contract import gates
from jobs.emr import command, logs, wheels
from jobs.emr.follow import Interrupts
from jobs.emr.session import Options, Session, plan_run, sender
from jobs.errors import JobError, LostContactError, RunCancelledError, SubmissionError, UsageError
from jobs.program import in_one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobs.emr.record import Record

EXAMPLE = """

\b
Example:
  ./submit.sh emr run --staging s3://bucket/nightly --application-id 00f1… --role arn:aws:iam::…:role/nightly \\
      -- score --model s3://bucket/model --input s3://bucket/in/{run_date} \\
      --schema schema.json --policy policy.json --output s3://bucket/actions
"""


def say(line: str) -> None:
    _written(f"emr: {line}", err=True)


def answer(line: str) -> None:
    """The one line on stdout that tells of a job that was sent."""
    if not _written(line, err=False):
        say(f"stdout cannot be written to; it was to say {line}")


def _written(line: str, *, err: bool) -> bool:
    """Whether it could be. A reader that is gone changes nothing about the job, nor about the exit code."""
    try:
        click.echo(line, err=err)
    except OSError:
        # Python would try again as it ends, and then exit with a code of its own
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2 if err else 1)
        return False
    return True


def with_options(function: Callable[..., None], *options: Callable[..., Any]) -> Callable[..., None]:
    """`function` with `options`, which --help shows in this order: of decorators click shows the last one first."""
    for option in reversed(options):
        function = option(function)
    return function


def shared(function: Callable[..., None]) -> Callable[..., None]:
    """The options of every command."""
    return with_options(
        function,
        click.option("--staging", required=True, metavar="S3-URI", help="Prefix for artefacts, records and logs."),
        click.option("--region", help="AWS region, if the environment does not set it."),
        click.option("--profile", help="AWS profile, if the environment does not set it."),
        click.option("--expected-bucket-owner", metavar="ACCOUNT", help="Refuse buckets of any other account."),
        click.option("--poll-seconds", type=float, default=10, help="How often to ask EMR."),
        click.option(
            "--patience-minutes", type=float, default=30, help="Exit with 13 after so long without an answer from EMR."
        ),
        click.option(
            "--log-wait", type=float, default=60, help="Seconds to wait for the log if the job fails without a word."
        ),
    )


def launching(function: Callable[..., None]) -> Callable[..., None]:
    """The options of `run` and `plan`: exactly one target, and what goes with it."""
    return with_options(
        shared(function),
        click.option("--cluster-id", metavar="j-…", help="Target: a step on this running cluster."),
        click.option(
            "--cluster-spec", metavar="FILE", help="Target: a cluster of its own; RunJobFlow parameters as JSON."
        ),
        click.option("--application-id", help="Target: EMR Serverless. Needs --role."),
        click.option("--virtual-cluster-id", help="Target: EMR on EKS. Needs --role and --release-label."),
        click.option("--role", metavar="ARN", help="The job's execution role."),
        click.option("--release-label", help="For EKS only, such as emr-7.10.0-latest."),
        click.option("--log-uri", metavar="S3-URI", help="Where EMR keeps logs.  [default: STAGING/logs]"),
        click.option(
            "--architecture", type=click.Choice(sorted(wheels.PLATFORMS)), help="Default: Serverless's own, or x86_64."
        ),
        click.option("--requirements", metavar="FILE", help="Pinned packages that the model's own stages need."),
        click.option(
            "--timeout", type=click.IntRange(min=1), metavar="MINUTES", help="Cancel the job after so many minutes."
        ),
        click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND …"),
    )


@click.group(context_settings={"max_content_width": 120, "show_default": True})
def main() -> None:
    """Run a submit.sh command on EMR: as a step, on a cluster of its own, on Serverless or on EKS."""


@main.command(epilog=EXAMPLE)
@launching
@click.option("--detach", is_flag=True, help="Return as soon as EMR has taken the job.")
def run(words: tuple[str, ...], **given: Any) -> None:
    """Send a command to EMR, once, and follow it to its end.

    Give exactly one target. The first Ctrl-C cancels the job and waits for its end; the second stops waiting.
    The same command again follows the job that is under way.

    Exit codes: the command's own, 10 not submitted, 11 cancelled, 12 timed out, 13 lost contact, 14 no longer waiting.
    """
    with ending(SubmissionError), Interrupts().caught() as interrupts:
        session = Session(Options(**given), say=say)
        prepared, first = plan_run(session, checked(words))
        say(f"run key {prepared.key} ({first.place}, {first.release})")
        sent = prepared.upload(session.store)
        say(f"{sent} of {len(prepared.uploads)} files uploaded; the others were there")
        record = sender(session, prepared, interrupts).run(first)
        with ending(LostContactError):  # the job may run from here on
            if session.options.detach and not interrupts.count:
                answer(json.dumps({"status": "submitted", "key": record.key, "ids": record.ids}))
            else:
                follow(session, record, interrupts, cancels=True)


@main.command(epilog=EXAMPLE)
@launching
def plan(words: tuple[str, ...], **given: Any) -> None:
    """Print the request that `run` would send, as JSON.

    Nothing is uploaded or started.
    """
    with ending(SubmissionError):
        session = Session(Options(**given), say=say)
        prepared, first = plan_run(session, checked(words))
        sending = sender(session, prepared, Interrupts())
        record = sending.next_attempt(first)
        call = sending.call_for(record, sending.target_of(record))
        click.echo(json.dumps([call.as_json()], indent=2))


@main.command()
@shared
@click.argument("key")
def attach(key: str, **given: Any) -> None:
    """Follow a run from any machine.

    KEY is what `run` prints first. Ctrl-C only stops following; `cancel` cancels.
    """
    with ending(LostContactError), Interrupts().caught() as interrupts:
        session = Session(Options(**given), say=say)
        record, _ = session.known(key)
        follow(session, record, interrupts, cancels=False)


@main.command()
@shared
@click.argument("key")
def status(key: str, **given: Any) -> None:
    """Print the state of a run, as JSON."""
    with ending(LostContactError):
        session = Session(Options(**given), say=say)
        record, target = session.known(key)
        snapshot = target.snapshot(record.ids)
        answer = {**asdict(snapshot), "place": target.place(), "ids": record.ids, "attempt": record.attempt}
        answer["job"] = session.records(key).status(record.attempt)
        click.echo(json.dumps({"key": key, **answer}))


@main.command(name="logs")
@shared
@click.argument("key")
def show_logs(key: str, **given: Any) -> None:
    """Print the driver's logs, as far as EMR has written them to S3."""
    with ending(LostContactError):
        session = Session(Options(**given), say=say)
        record, target = session.known(key)
        found = logs.Logs(target, record.ids, store=session.store).texts()
        for uri, text in found.items():
            say(f"log: {uri}")
            click.echo(logs.masked(text), nl=not text.endswith("\n"))
        if not found:
            say(f"nothing there yet: {', '.join(target.log_prefixes(record.ids)) or 'the cluster keeps no logs'}")


@main.command()
@shared
@click.argument("key")
def cancel(key: str, **given: Any) -> None:
    """Cancel a run and wait for its end."""
    with ending(LostContactError), Interrupts().caught() as interrupts:
        session = Session(Options(**given), say=say)
        record, target = session.known(key)
        snapshot = target.snapshot(record.ids)
        if snapshot.ended:
            say(f"the run had ended already: {snapshot.state}")
            # a launcher that did not wait for the end has left what outlives it
            session.follower(record, interrupts, cancels=True).clean_up(snapshot)
            return
        interrupts.count = 1  # as if its own launcher had been interrupted: the same way out
        with contextlib.suppress(RunCancelledError):
            follow(session, record, interrupts, cancels=True)


def checked(words: tuple[str, ...]) -> command.Command:
    """The command to send; what the job would refuse of its options is refused before a cluster is paid for."""
    try:
        wanted = command.parse(words, read=cli.given, today=datetime.date.today().isoformat())
    except click.ClickException as error:
        raise UsageError(in_one_line(error)) from error
    gates.allowed(wanted.value("--max-rejects") or "0", 0)
    return wanted


def follow(session: Session, record: Record, interrupts: Interrupts, *, cancels: bool) -> None:
    """To the end; the job's summary alone on stdout, whether it ended well or not."""
    follower = session.follower(record, interrupts, cancels=cancels)
    snapshot = follower.to_the_end()
    try:
        follower.conclude(snapshot)
    finally:
        answer(json.dumps(follower.summary or {"status": snapshot.phase, "key": record.key}))


@contextlib.contextmanager
def ending(unforeseen: type[JobError]) -> Iterator[None]:
    """The one place that exits: an error's line on stderr, and its exit code."""
    try:
        yield
    except BrokenPipeError:
        raise  # `emr logs … | head` has had enough: click ends in silence
    except (JobError, ClientError, BotoCoreError, OSError) as problem:
        # the store's own "not there" and "not yours" are OSErrors
        error = (
            problem
            if isinstance(problem, JobError)
            else unforeseen(str(problem) if isinstance(problem, OSError) else f"AWS: {problem}")
        )
        for line in logs.masked(str(error)).splitlines():
            say(line)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(prog_name="./submit.sh emr")
