"""What is observed of a resource: children, pods, the route, and what a probe of the URL met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from face_comparison_operator.refusals import Refusal
from face_comparison_operator.resource import Object
from face_comparison_operator.routing import RouteState


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a response of the resource's own pods is like."""

    identity: str
    authenticated: bool = False
    """Whether a request without an API key is rejected."""
    shared: bool = False
    """Whether the route shares its address on purpose, as a canary does."""
    collections: bool = False


@dataclass(frozen=True, slots=True)
class CollectionsState:
    """What the pods report of the store of collections."""

    ready: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a request to the URL met.

    Attributes:
        outcome: `ok`: this resource's pods answered; `unexpected`: something else did, for every caller;
            `unverifiable`: nothing is known, because the operator cannot come through, where callers may.
        detail: what the response was, for people.
        version: the model version that this resource's pods report.
        other: the identity in a response of another resource's pods.
        certificate: why clients refuse the certificate, if they do.
        collections: what the pods report of their store.
    """

    outcome: Literal["ok", "unexpected", "unverifiable"]
    detail: str = ""
    version: str | None = None
    other: str | None = None
    certificate: str | None = None
    collections: CollectionsState | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """What lives in the cluster for one resource."""

    route: RouteState
    deployment: Object | None = None
    pods: Sequence[Object] = ()
    events: Sequence[Object] = ()
    autoscaler: Object | None = None
    refusals: Sequence[Refusal] = ()
    probe: ProbeResult | None = None
