"""The four places a job can run, by name, as a record keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.emr import cluster, eks, serverless, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.emr.clients import Clients
    from jobs.emr.request import Target

STEP, CLUSTER, SERVERLESS, EKS = "step", "cluster", "serverless", "eks"


def make(kind: str, settings: Mapping[str, Any], *, clients: Clients) -> Target:
    """The target of this kind; `settings` are those of its Settings class, from options or from a record."""
    if kind == STEP:
        return step.Step(step.Settings(**settings), clients=clients)
    if kind == CLUSTER:
        return cluster.Cluster(cluster.Settings(**settings), clients=clients)
    if kind == SERVERLESS:
        return serverless.Serverless(serverless.Settings(**settings), clients=clients)
    return eks.Eks(eks.Settings(**settings), clients=clients)
