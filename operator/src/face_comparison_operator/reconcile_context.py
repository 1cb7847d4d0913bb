"""Types that the parts of a reconcile share: its result, its context, and the cache of each resource."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from face_comparison_operator.cache import Key
from face_comparison_operator.child_client import ChildClient
from face_comparison_operator.child_history import ChildHistory
from face_comparison_operator.observation import Expectation, ProbeResult
from face_comparison_operator.probe_state import ProbeState
from face_comparison_operator.refusals import Refusal
from face_comparison_operator.resource import FaceComparison, Object
from face_comparison_operator.routing import Gateways, RouteState, Target


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a reconcile.

    Attributes:
        requeue_after: Seconds after which to reconcile again even if nothing changes; None: not necessary.
    """

    requeue_after: float | None = None


class Client(ChildClient, Protocol):
    """Requests of a reconcile; see `api_client.Cluster`."""

    async def write_status(self, namespace: str, name: str, uid: str, status: Object) -> Object:
        """Writes the status of the resource with this uid, and returns the resource."""
        ...

    async def warnings(self, namespace: str, uid: str) -> list[Object]:
        """Returns the warning events of an object, by its uid."""
        ...


class ReconcileMetrics(Protocol):
    """Receives metrics of reconcile results."""

    def deployed(self, seconds: float) -> None:
        """Records the duration of a deployment, in seconds."""
        ...

    def conditions(self, key: Key, conditions: Sequence[Object] | None) -> None:
        """Records the conditions of a resource; None: it has been deleted."""
        ...


EndpointProbe = Callable[[RouteState, Object | None, Expectation], Awaitable[ProbeResult]]
"""Probes the URL of a route; the Service is used to reach the pods if the route cannot be reached from here."""


@dataclass(slots=True)
class ResourceCache:
    """Per-resource cache, safe to lose. Times are clock seconds."""

    uid: str
    written_at: float = float("-inf")
    failures: int = 0
    children: ChildHistory = field(default_factory=ChildHistory)
    probe: ProbeState = field(default_factory=ProbeState)
    target: Target | None = None
    """The host and path at which the resource is served."""
    _generation: tuple[str, int] | None = None
    _generation_seen_at: float = float("-inf")

    def deployment_age(self, deployment: Object | None, now: float) -> float:
        """Returns the seconds since this generation of the Deployment was first seen; infinite without a Deployment."""
        if deployment is None:
            return float("inf")
        generation = (deployment["metadata"]["uid"], deployment["metadata"]["generation"])
        if self._generation != generation:
            self._generation, self._generation_seen_at = generation, now
        return now - self._generation_seen_at


@dataclass(slots=True)
class Context:
    """The context of a reconcile: the resource, its cache, and what has been learned so far."""

    key: Key
    resource: FaceComparison
    cached: ResourceCache
    gateways: Gateways = field(default_factory=Gateways)
    refusals: list[Refusal] = field(default_factory=list)
    _delays: list[float] = field(default_factory=list)

    def requeue_after(self, seconds: float) -> None:
        """Requests another reconcile within `seconds`."""
        self._delays.append(seconds)

    @property
    def result(self) -> Result:
        """Returns the result, with the shortest requested delay."""
        return Result(requeue_after=min(self._delays, default=None))
