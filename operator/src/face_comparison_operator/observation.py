"""The observed state of a resource: children, pods, the route, and the result of probing the URL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from face_comparison_operator.refusals import Refusal
from face_comparison_operator.resource import Object
from face_comparison_operator.routing import RouteState


@dataclass(frozen=True, slots=True)
class Expectation:
    """What identifies a response from the resource's own pods."""

    identity: str
    authenticated: bool = False
    """Whether a request without an API key is rejected."""
    shared: bool = False
    """Whether the route shares its address on purpose, as a canary release does."""
    collections: bool = False


@dataclass(frozen=True, slots=True)
class CollectionsState:
    """What the pods report about the collection store."""

    ready: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result of a request to the URL.

    Attributes:
        outcome: `ok`: this resource's pods responded; `unexpected`: something else responded, as it would to every
            caller; `unverifiable`: unknown, because the operator cannot get through, although callers may.
        detail: A human-readable description of the response.
        version: The model version that this resource's pods report.
        other: The identity in a response from another resource's pods.
        certificate: Why clients reject the certificate, if they do.
        collections: What the pods report about their store.
    """

    outcome: Literal["ok", "unexpected", "unverifiable"]
    detail: str = ""
    version: str | None = None
    other: str | None = None
    certificate: str | None = None
    collections: CollectionsState | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """The observed state of one resource in the cluster."""

    route: RouteState
    deployment: Object | None = None
    pods: Sequence[Object] = ()
    events: Sequence[Object] = ()
    autoscaler: Object | None = None
    refusals: Sequence[Refusal] = ()
    stored_differently: Sequence[str] = ()
    """Children that an admission rule has changed, each as kind, name, and difference."""
    probe: ProbeResult | None = None
