"""Decides whether pods of the previous version have to make room for those of the new version. Pure.

A new pod starts next to the previous ones. If it stays unschedulable because it lacks something that each of them
holds, they are replaced in place, one by one. If they do not hold it (an accelerator that no node has, a larger
request), removing them would stop the service without helping. They are then kept, and the message says so.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from face_comparison_operator import pod_status
from face_comparison_operator.quantity import parse_quantity
from face_comparison_operator.resource import TEMPLATE_ANNOTATION, Object

# Time that a new pod waits before a previous one is removed: a node may be starting, or another pod terminating.
GRACE = timedelta(seconds=20)

_INSUFFICIENT = re.compile(r"Insufficient ([\w./-]*\w)")
_TOO_MANY_PODS = "Too many pods"
# Parts of the scheduler's messages about what a pod lacks and another pod with the same placement holds: a volume, a
# node of its own because of anti-affinity, a claimed device.
_HELD_BY_PLACEMENT = (
    "ReadWriteOncePod",
    "exceed max volume count",
    "anti-affinity rules",
    "cannot allocate all claims",
)
# Parts of the scheduler's messages about nodes that currently accept no pods. A previous pod may be on such a node, and
# no pod could take its place.
_CLOSED_NODES = ("were unschedulable", "{node.kubernetes.io/")
_PLACEMENT = (
    *("nodeSelector", "affinity", "tolerations", "runtimeClassName", "priorityClassName", "schedulerName"),
    *("resourceClaims", "hostNetwork"),
)


@dataclass(frozen=True, slots=True)
class Room:
    """What happens to the previous pods while a new one waits for room.

    Attributes:
        make: Whether to replace the previous pods in place now.
        hint: What happens next or what a user can do, as part of a sentence; empty if nothing waits for room.
    """

    make: bool = False
    hint: str = ""


def room(deployment: Object | None, pods: Sequence[Object], now: datetime, *, chosen: bool = False) -> Room:
    """Decides whether the previous pods make room.

    Args:
        deployment: The live Deployment.
        pods: The pods of the resource, each with its footprint.
        now: The time.
        chosen: Whether the spec sets a strategy, which is then followed as it is.
    """
    if deployment is None:
        return Room()
    template = deployment["spec"]["template"]["metadata"].get("annotations", {}).get(TEMPLATE_ANNOTATION)
    staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    current = [pod for pod in staying if pod_status.template_of(pod) == template]
    previous = [pod for pod in staying if pod not in current and pod_status.is_ready(pod)]
    waiting = [pod for pod in current if pod_status.unschedulable_message(pod) is not None]
    if not (waiting and previous):
        return Room()
    lacking = "; ".join(sorted({pod_status.unschedulable_message(pod) or "" for pod in waiting}))
    resources = sorted({*_INSUFFICIENT.findall(lacking), *(["pods"] if _TOO_MANY_PODS in lacking else [])})
    if not (resources or any(phrase in lacking for phrase in _HELD_BY_PLACEMENT)):
        return Room()  # it lacks nothing that removing a pod could free
    if (obstacle := _obstacle(resources, lacking, waiting[0], previous)) is not None:
        return Room(hint=f"{obstacle}, so it is kept")
    if chosen:
        return Room(hint="set strategy.maxUnavailable: 1 to replace pods when there is no room for another")
    waited = min(now - datetime.fromisoformat(pod["metadata"]["creationTimestamp"]) for pod in waiting)
    return Room(waited >= GRACE, "it will make room for the new one")


def _obstacle(resources: Sequence[str], lacking: str, waiting: Object, previous: Sequence[Object]) -> str | None:
    """Returns why removing a previous pod would not help, or None if it would."""
    if any(pod["footprint"]["placement"] != waiting["footprint"]["placement"] for pod in previous):
        return "it runs where the new one may not"
    for resource in resources:
        requested = Decimal(waiting["footprint"]["requests"].get(resource, 0))
        freed = min(Decimal(pod["footprint"]["requests"].get(resource, 0)) for pod in previous)
        if freed == 0:
            return f"it holds no {resource}"
        if freed < requested:
            return f"it holds less {resource} than the new one requests"
    if any(phrase in lacking for phrase in _CLOSED_NODES):
        return "its node may not accept new pods"
    return None


def footprint(pod: Object) -> Object:
    """Returns what a pod occupies and what determines its node.

    Returns:
        `requests` by resource, a digest of its `placement`, the names of its volume `claims`, and its `scheduler`.
    """
    spec = pod.get("spec", {})
    claims = [each["persistentVolumeClaim"] for each in spec.get("volumes") or [] if "persistentVolumeClaim" in each]
    spread = [
        each for each in spec.get("topologySpreadConstraints") or [] if each.get("whenUnsatisfiable") == "DoNotSchedule"
    ]
    decisive = [*(_without_selectors(spec.get(name)) for name in _PLACEMENT), _without_selectors(spread), claims]
    digest = hashlib.sha256(msgspec.json.encode(decisive, order="deterministic")).hexdigest()[:16]
    return {
        "requests": {name: str(amount) for name, amount in _requests(spec).items()},
        "placement": digest,
        "claims": [each.get("claimName", "") for each in claims],
        "scheduler": spec.get("schedulerName", ""),
    }


def _without_selectors(value: Any) -> Any:
    """Removes pod selectors, to which the API server adds the template's digest (`matchLabelKeys`)."""
    if isinstance(value, dict):
        return {name: _without_selectors(each) for name, each in value.items() if name != "labelSelector"}
    return [_without_selectors(each) for each in value] if isinstance(value, list) else value


def _requests(spec: Object) -> Mapping[str, Decimal]:
    """Returns what the scheduler counts for a pod, by resource.

    It is the sum of its containers or its largest init container, whichever is larger.
    """
    total = {"pods": Decimal(1), **_amounts(spec.get("overhead") or {})}
    for container in _running(spec):
        for name, amount in _asked(container).items():
            total[name] = total.get(name, Decimal(0)) + amount
    for container in spec.get("initContainers") or []:
        for name, amount in _asked(container).items():
            total[name] = max(total.get(name, Decimal(0)), amount)
    return total


def _running(spec: Object) -> Iterator[Object]:
    yield from spec.get("containers") or []
    yield from (each for each in spec.get("initContainers") or [] if each.get("restartPolicy") == "Always")


def _asked(container: Object) -> Mapping[str, Decimal]:
    resources = container.get("resources") or {}
    return _amounts({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _amounts(quantities: Object) -> Mapping[str, Decimal]:
    return {name: parse_quantity(quantity) for name, quantity in quantities.items()}
