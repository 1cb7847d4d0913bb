"""Where time is spent between a request and its completion, from the API server's audit log and the pod's log.

Every step of a resource's life is a request of some program, so its time is known to the millisecond without watching
anything, and without affecting what is measured.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from devtools.local_cluster import install
from support.product import Product

Event = dict[str, Any]
Steps = list[tuple[str, float]]
"""What was reached, and seconds since the beginning."""

OPERATOR = f"system:serviceaccount:{install.SYSTEM}:"
CONTROLLERS = "system:serviceaccount:kube-system:"
KUBELET = "system:node:"


def events(product: Product, namespace: str, since: int) -> list[Event]:
    """Returns the requests that changed objects of a namespace, from byte `since` of the audit log on."""
    with product.node.audit_log.open("rb") as log:
        log.seek(since)
        lines = log.read().split(b"\n")[:-1]
    found = [json.loads(line) for line in lines if namespace.encode() in line]
    return [
        each
        for each in found
        if each.get("objectRef", {}).get("namespace") == namespace
        and each["verb"] in ("create", "patch", "update", "delete", "deletecollection")
        and each["responseStatus"]["code"] < 300
    ]


def moment(event: Event) -> float:
    """Returns when the response was sent, in seconds since the epoch."""
    return datetime.fromisoformat(event["stageTimestamp"]).timestamp()


def of(found: Iterable[Event], user: str, verb: str, resource: str, subresource: str | None = None) -> list[float]:
    """Returns when `user` (the beginning of a name) did this."""
    return [
        moment(each)
        for each in found
        if each["user"]["username"].startswith(user)
        and each["verb"] == verb
        and each["objectRef"]["resource"] == resource
        and each["objectRef"].get("subresource") == subresource
    ]


def deploying(found: list[Event], started: list[float], begun: float, answered: float) -> Steps:
    """Returns the steps from the resource's creation to its first response; `started`: times of the pod's log lines."""
    steps = [
        ("the operator made the Deployment", of(found, OPERATOR, "create", "deployments")),
        ("its controllers made the pod", of(found, CONTROLLERS, "create", "pods")),
        ("the scheduler chose the node", of(found, "system:kube-scheduler", "create", "pods", "binding")),
        ("the program ran", started[:1]),
        ("its models were loaded and tried", started[-1:]),
        ("the kubelet found it ready", of(found, KUBELET, "patch", "pods", "status")[-1:]),
        ("the operator saw the URL answer", of(found, OPERATOR, "patch", "facecomparisons", "status")[-1:]),
        ("the first image was answered", [answered]),
    ]
    return [(name, round(when[0] - begun, 2)) for name, when in steps if when]


def ending(found: list[Event], begun: float, gone: float) -> Steps:
    """Returns the steps from the resource's deletion until nothing remains."""
    steps = [
        ("the Deployment was collected", of(found, CONTROLLERS, "delete", "deployments")[-1:]),
        ("its ReplicaSet was collected", of(found, CONTROLLERS, "delete", "replicasets")[-1:]),
        ("the pod was told to end", of(found, CONTROLLERS, "delete", "pods")[:1]),
        ("the kubelet saw the container ended", of(found, KUBELET, "patch", "pods", "status")[-1:]),
        ("the kubelet removed the pod", of(found, KUBELET, "delete", "pods")[-1:]),
        ("nothing was left", [gone]),
    ]
    return [(name, round(when[0] - begun, 2)) for name, when in steps if when]
