"""What the API server's audit log contains about the operator: its requests, and how long it took for the children."""

from __future__ import annotations

import statistics
from collections import defaultdict
from datetime import datetime
from http import HTTPStatus
from typing import Any

from devtools.bench_operator.objects import CHILDREN_EACH
from devtools.k8s.controlplane import ControlPlane
from face_comparison_operator.api_resources import CHILDREN, RESOURCE

CREATED, CONFLICT = HTTPStatus.CREATED, HTTPStatus.CONFLICT
WRITES = ("create", "update", "patch", "delete")


def operator_requests(plane: ControlPlane, since: int, namespace: str) -> list[dict[str, Any]]:
    """Returns the operator's requests in the namespace, without watches."""
    return [
        each
        for each in plane.audit_events(since)
        if each["userAgent"].startswith("face-comparison-operator/")
        and each.get("objectRef", {}).get("namespace") == namespace
        and each["verb"] != "watch"
    ]


def by_kind(events: list[dict[str, Any]], count: int) -> str:
    """Returns the requests per resource by verb, kind, and status, in words."""
    tally: dict[str, int] = defaultdict(int)
    for each in events:
        reference = each["objectRef"]
        kind = "/".join(filter(None, (reference["resource"], reference.get("subresource"))))
        tally[f"{each['verb']} {kind} {each['responseStatus']['code']}"] += 1
    return ", ".join(f"{name}: {number / count:.2f}" for name, number in sorted(tally.items()))


def added_latency(plane: ControlPlane, since: int, namespace: str) -> dict[str, float]:
    """Returns quantiles of the seconds from a resource to its last child, and the seconds until the last child of all.

    What the operator adds is that time without the parts in which the API server was at work on a child.
    """
    plurals = {kind.plural for kind in CHILDREN}
    created: dict[str, float] = {}
    attempts: dict[str, dict[str, list[tuple[int, float, float]]]] = defaultdict(lambda: defaultdict(list))
    for each in plane.audit_events(since):
        reference = each.get("objectRef", {})
        if each["verb"] != "create" or reference.get("namespace") != namespace:
            continue
        code, done = each["responseStatus"]["code"], seconds(each["stageTimestamp"])
        if reference["resource"] == RESOURCE.plural and code == CREATED:
            created[reference["name"]] = done
        elif reference["resource"] in plurals and each["userAgent"].startswith("face-comparison-operator/"):
            span = (code, seconds(each["requestReceivedTimestamp"]), done)
            attempts[reference["name"]][reference["resource"]].append(span)
    children = {name: [time for each in kinds.values() for time in spans(each)] for name, kinds in attempts.items()}
    incomplete = {name: list(kinds) for name, kinds in attempts.items() if len(kinds) != CHILDREN_EACH}
    if incomplete or created.keys() != children.keys():
        raise RuntimeError(f"children are missing: {incomplete or created.keys() ^ children.keys()}")
    whole = sorted(max(done for _, done in children[name]) - began for name, began in created.items())
    own = sorted(max(done for _, done in times) - created[name] - covered(times) for name, times in children.items())
    last = max(done for times in children.values() for _, done in times) - min(created.values())
    result = {"max": whole[-1], "last": last}
    for prefix, values in (("", whole), ("added_", own)):
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        result |= {f"{prefix}p50": cuts[49], f"{prefix}p99": cuts[98]}
    return result


def spans(attempts: list[tuple[int, float, float]]) -> list[tuple[float, float]]:
    """Returns when the API server was at work on a child, up to the first response that shows that it exists.

    A busy API server may create an object and give up before it responds; the next attempt then finds the name taken.
    """
    if sum(code == CREATED for code, _, _ in attempts) > 1:
        raise RuntimeError(f"a child was created twice: {attempts}")
    known = min((done for code, _, done in attempts if code in (CREATED, CONFLICT)), default=None)
    if known is None:
        raise RuntimeError(f"a child was never created: {attempts}")
    return [(began, done) for _, began, done in attempts if done <= known]


def covered(spans: list[tuple[float, float]]) -> float:
    """Returns the seconds that are covered by at least one of the spans."""
    total, end = 0.0, float("-inf")
    for first, last in sorted(spans):
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return total


def seconds(timestamp: str) -> float:
    """Returns a timestamp of the audit log in seconds."""
    return datetime.fromisoformat(timestamp).timestamp()
