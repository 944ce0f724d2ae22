"""One invocation of the launcher: its options, its clients, and the run it is about."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.emr import cluster, prepare, release, targets
from jobs.emr.clients import Clients
from jobs.emr.follow import Follower, Interrupts, Pace
from jobs.emr.once import Patience, Sender
from jobs.emr.record import Record, Records
from jobs.emr.staging import Store
from jobs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.emr.command import Command
    from jobs.emr.request import Call, Target


@dataclass(frozen=True)
class Options:
    """The options all commands share, and those of `run` and `plan`."""

    staging: str
    region: str | None = None
    profile: str | None = None
    expected_bucket_owner: str | None = None
    poll_seconds: float = 10
    patience_minutes: float = 30
    log_wait: float = 60
    cluster_id: str | None = None
    cluster_spec: str | None = None
    application_id: str | None = None
    virtual_cluster_id: str | None = None
    role: str | None = None
    release_label: str | None = None
    log_uri: str | None = None
    architecture: str | None = None
    requirements: str | None = None
    timeout: int | None = None
    detach: bool = False


class Session:
    """What a command works with: the clients, the store, and how to rebuild a target from a record."""

    def __init__(self, options: Options, *, say: Callable[[str], None]) -> None:
        if not options.staging.startswith("s3://"):
            raise UsageError(f"--staging {options.staging} must be an s3:// prefix that the job can read and write")
        self.options = options
        self.say = say
        self.clients = Clients(region=options.region, profile=options.profile)
        self.store = Store(self.clients.s3, owner=options.expected_bucket_owner)

    def target(self, kind: str, settings: dict[str, Any]) -> Target:
        return targets.make(kind, settings, clients=self.clients)

    def target_of(self, record: Record) -> Target:
        return self.target(record.kind, record.settings)

    def records(self, key: str) -> Records:
        return Records(self.store, staging=self.options.staging, key=key)

    def known(self, key: str) -> tuple[Record, Target]:
        """The latest attempt of a key that was sent; UsageError when there is none."""
        held = self.records(key).latest()
        if held is None:
            raise UsageError(f"there is no run {key} below {self.options.staging}; check the key and --staging")
        if not held[0].ids:
            raise UsageError(f"EMR never took the run {key}; give the command of that run again, which sends it")
        return held[0], self.target_of(held[0])

    def follower(self, record: Record, interrupts: Interrupts, *, cancels: bool) -> Follower:
        pace = Pace(
            poll=self.options.poll_seconds, patience=self.options.patience_minutes * 60, log_wait=self.options.log_wait
        )
        target, records = self.target_of(record), self.records(record.key)
        return Follower(
            record, target, records, self.store, self.say, pace, interrupts, cancels, self._cancel_command(record.key)
        )

    def _cancel_command(self, key: str) -> str:
        owner = self.options.expected_bucket_owner
        words = ["./submit.sh", "emr", "cancel", "--staging", self.options.staging, *self.clients.flags]
        return shlex.join([*words, *(["--expected-bucket-owner", owner] if owner else []), key])


def plan_run(session: Session, wanted: Command) -> tuple[prepare.Prepared, Record]:
    """Everything that can be refused is refused here, before a byte is uploaded."""
    options = session.options
    kind, settings = chosen_target(options)
    target = session.target(kind, settings)
    its_release = target.release()
    architecture = options.architecture or target.architecture() or "x86_64"
    if wanted.model and (note := release.check_model(wanted.model, release=its_release, store=session.store)):
        session.say(note)
    prepared = prepare.prepare(
        wanted,
        release=its_release,
        staging=options.staging,
        architecture=architecture,
        requirements=options.requirements,
    )
    first = Record(
        key=prepared.key,
        attempt=1,
        kind=kind,
        settings=target.settings,
        release=its_release.label,
        place=target.place(),
        created=time.time(),
        timeout_minutes=options.timeout,
    )
    return prepared, first


def chosen_target(options: Options) -> tuple[str, dict[str, Any]]:
    """The kind of target and its settings; UsageError unless exactly one is given with what it needs."""
    given = [options.cluster_id, options.cluster_spec, options.application_id, options.virtual_cluster_id]
    if sum(value is not None for value in given) != 1:
        raise UsageError("give exactly one of --cluster-id, --cluster-spec, --application-id, --virtual-cluster-id")
    if options.timeout is not None and options.detach and options.application_id is None:
        raise UsageError(
            "--timeout is kept by this launcher, which --detach ends (of the targets only Serverless keeps it itself); "
            "leave one of them out"
        )
    log_uri = options.log_uri or f"{options.staging.rstrip('/')}/logs"
    if options.cluster_id:
        return targets.STEP, {"cluster_id": options.cluster_id}
    if options.cluster_spec:
        spec = cluster.read_spec(options.cluster_spec)
        return targets.CLUSTER, {"log_uri": options.log_uri or spec.pop("LogUri", log_uri), "spec": spec}
    if not options.role:
        raise UsageError("--application-id and --virtual-cluster-id need --role, the ARN of the job's execution role")
    if options.application_id:
        settings = {"application_id": options.application_id, "role": options.role, "log_uri": log_uri}
        return targets.SERVERLESS, settings
    if not options.release_label:
        raise UsageError("--virtual-cluster-id needs --release-label, like emr-7.10.0-latest")
    settings = {"virtual_cluster_id": options.virtual_cluster_id or "", "role": options.role, "log_uri": log_uri}
    return targets.EKS, {**settings, "release_label": options.release_label}


def sender(session: Session, prepared: prepare.Prepared, interrupts: Interrupts) -> Sender:
    records = session.records(prepared.key)

    def call_for(record: Record, target: Target) -> Call:
        return target.submission(prepared.job(record, records=records, region=session.clients.region))

    return Sender(
        records=records,
        target_of=session.target_of,
        call_for=call_for,
        say=session.say,
        interrupts=interrupts,
        patience=Patience(look_seconds=min(5, session.options.poll_seconds)),
    )
