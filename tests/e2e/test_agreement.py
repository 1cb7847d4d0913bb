"""`Ready` agrees with the URL's responses within seconds of each change, sampled once per second.

Hosts are shared, Gateways deleted, children edited, and updates lack capacity. FACE_COMPARISON_AGREEMENT=FILE (`make
status-agreement`) does so for five minutes, with every edit, and writes figures.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools.local_cluster.addons import INGRESS_CLASS
from face_comparison_operator.quantity import parse_quantity
from support.agreement import Watcher
from support.drift_edits import EDITS
from support.drift_rules import meaning
from support.product import RESOURCES, Object, Product

pytestmark = [pytest.mark.node, pytest.mark.timeout(1800)]

REPORT = os.environ.get("FACE_COMPARISON_AGREEMENT")
SECONDS = 300.0 if REPORT else 0.0
BOUND = 5.0
# Bounds for a test on a busy machine; measurements are in the documentation.
CI_BOUND = 45.0
ONE = {"minReplicas": 1, "maxReplicas": 1}
SHARED = "shared.example.com"
GATEWAY = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "spec": {"gatewayClassName": INGRESS_CLASS, "listeners": [{"name": "web", "port": 80, "protocol": "HTTP"}]},
}


@pytest.fixture
def spaces(product: Product) -> Iterator[tuple[str, str]]:
    names = "agree-z", "agree-a"  # the younger resource of the shared host is in the namespace that sorts first
    for name in names:
        product.make_namespace(name)
    yield names
    for name in names:
        product.said("delete", "namespace", name, "--wait=false")


def test_ready_matches_what_callers_see(product: Product, spaces: tuple[str, str]) -> None:
    first, other = spaces
    watcher = Watcher(product)
    changes: list[dict[str, Any]] = []

    def change(what: str, action: Callable[[], object], settled: Callable[[], bool], seconds: float = 120) -> None:
        began = time.monotonic()
        action()
        product.node.wait(what, settled, seconds)
        changes.append({"change": what, "settled_seconds": round(time.monotonic() - began, 1)})

    def ready(namespace: str, name: str, status: str = "True", reason: str = "") -> bool:
        found = product.condition(namespace, name)
        return found.get("status") == status and found.get("reason", "").startswith(reason)

    gateway = {**GATEWAY, "metadata": {"name": "own", "namespace": first}}
    product.apply_object(gateway)
    deploy(product, first, watcher)
    began = time.monotonic()
    with watcher.watching():
        product.apply(other, "shared", route={"host": SHARED})
        watcher.add(other, "shared")
        change(
            "a second resource takes the host",
            lambda: None,
            lambda: bool(product.condition(other, "shared")) and not is_starting(product, other, "shared"),
        )
        change(
            "it goes again",
            lambda: product.node.kubectl("delete", "facecomparison", "shared", f"--namespace={other}"),
            lambda: ready(first, "shared"),
        )
        change(
            "the Gateway is deleted",
            lambda: product.node.kubectl("delete", "gateway", "own", f"--namespace={first}"),
            lambda: ready(first, "routed", "False", "RouteNotAccepted"),
        )
        change("the Gateway is there again", lambda: product.apply_object(gateway), lambda: ready(first, "routed"))
        crowded = {"route": {"host": "crowded.example.com"}, "resources": half_of_the_node(product)}
        change(
            "an update has no room",
            lambda: product.apply(first, "crowded", **crowded, limits={"queue": 61}),
            lambda: ready(first, "crowded", "False", "Unschedulable"),
        )
        change("the previous pod makes room", lambda: None, lambda: ready(first, "crowded"))
        change(
            "a GPU is asked for that no node has",
            lambda: product.apply(first, "crowded", **crowded, limits={"queue": 61}, accelerator={"type": "gpu"}),
            lambda: ready(first, "crowded", "False", "Unschedulable"),
        )
        change(
            "it is taken back",
            lambda: product.apply(first, "crowded", **crowded, limits={"queue": 61}),
            lambda: ready(first, "crowded"),
        )
        for sentence, kind, edit in EDITS if REPORT else EDITS[::4]:
            before = product.get(first, kind, "edited")
            expected = meaning(before)

            def edited(kind: Any = kind, edit: Any = edit, before: Any = before) -> None:
                product.patch(first, kind, "edited", edit(before))

            def repaired(kind: Any = kind, expected: Any = expected) -> bool:
                found = product.get(first, kind, "edited")
                return found is not None and meaning(found) == expected

            change(f"{kind.name}: {sentence}", edited, repaired)
        product.node.wait("the last edit's pods", lambda: ready(first, "edited"), 120)
        product.node.wait("the end of the time", lambda: time.monotonic() >= began + SECONDS, SECONDS + 10)
    took = time.monotonic() - began
    longest = {
        f"{namespace}/{name}": watcher.longest_disagreement((namespace, name)) for namespace, name in watcher.looks
    }
    looks = sum(len(each) for each in watcher.looks.values())
    if REPORT:
        figures = {
            "seconds": round(took),
            "looks": looks,
            "changes": changes,
            "longest_disagreement": {
                name: {"seconds": round(found[0], 1), "as": found[1]} for name, found in longest.items()
            },
        }
        Path(REPORT).write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
    assert looks > took, "resources were looked at all the time"
    bound = BOUND if REPORT else CI_BOUND
    assert {name: found for name, found in longest.items() if found[0] > bound} == {}


def deploy(product: Product, namespace: str, watcher: Watcher) -> None:
    """Deploys the resources whose status is compared with the responses, each ready."""
    routed = {"host": "gateway.agree.example.com", "gateway": {"parentRefs": [{"name": "own"}]}}
    specs: dict[str, Object] = {
        "shared": {"route": {"host": SHARED}},
        "routed": {"route": routed},
        "edited": {"route": {"host": "edited.example.com"}, "networkPolicy": True, "autoscaling": ONE},
        "crowded": {"route": {"host": "crowded.example.com"}, "resources": half_of_the_node(product)},
    }
    for name, spec in specs.items():
        product.apply(namespace, name, **spec)
    for name in specs:
        product.wait_ready(namespace, name)
        watcher.add(namespace, name)


def is_starting(product: Product, namespace: str, name: str) -> bool:
    return product.condition(namespace, name).get("reason") in ("Deploying", "AddressPending", "RoutePending")


def half_of_the_node(product: Product) -> Object:
    """Returns resource requests of which two do not fit on the node."""
    (node,) = json.loads(product.node.kubectl("get", "nodes", "-o", "json"))["items"]
    cores = parse_quantity(node["status"]["allocatable"]["cpu"])
    return {**RESOURCES, "requests": {**RESOURCES["requests"], "cpu": f"{round(cores * 550)}m"}}
