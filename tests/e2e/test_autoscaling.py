"""Load scales a resource up, and its end scales it down, by CPU time and by requests in flight."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from devtools.k8s.controlplane import attempts
from devtools.local_cluster import config, images, install, keda
from face_comparison_operator.api_resources import AUTOSCALER, RESOURCE
from support.product import IMAGE, Product

pytestmark = [pytest.mark.node, pytest.mark.timeout(1800)]

PATH = "/prod/face_comparison"
# A tenth of a CPU is requested, so that any load is a multiple of the target.
RESOURCES = {"requests": {"cpu": "100m", "memory": "300Mi"}, "limits": {"memory": "1500Mi"}}


Record = Callable[[str, object], None]


def test_scale_by_cpu_time(product: Product, namespace: str, record: Record) -> None:
    scaling = {"minReplicas": 1, "maxReplicas": 3, "metric": "CPU", "target": 80}
    record("autoscaling by CPU", grows_and_shrinks(product, namespace, scaling))


def test_scale_by_requests_in_flight(
    product: Product, namespace: str, built: list[images.Image], record: Record
) -> None:
    keda.start(product.node)
    install.helm(
        product.node,
        install.CHART,
        *install.chart_values(built),
        f"--set-string=monitoring.prometheusAddress={keda.PROMETHEUS}",
    )
    scaling = {"minReplicas": 1, "maxReplicas": 3, "metric": "InFlight", "target": 2}
    record("autoscaling by requests in flight", grows_and_shrinks(product, namespace, scaling))


def grows_and_shrinks(product: Product, namespace: str, scaling: dict[str, object]) -> dict[str, object]:
    """Applies a resource, scales it up by load and down without it; returns the time of each step."""
    host = f"{scaling['metric']}.example.com".lower()
    product.apply(namespace, "faces", route={"host": host}, resources=RESOURCES, autoscaling=scaling)
    product.wait_ready(namespace, "faces")
    timeline: list[tuple[float, int]] = []
    started = time.monotonic()

    def reaches(expected: Callable[[int], bool], seconds: float) -> bool:
        for _ in attempts(seconds, pause=0.5):
            if scaling["metric"] == "InFlight":
                keda.update_targets(product.node)
            ready = product.get(namespace, RESOURCE, "faces")["status"]["readyReplicas"]
            if not timeline or timeline[-1][1] != ready:
                timeline.append((round(time.monotonic() - started, 1), ready))
            if expected(ready):
                return True
        return False

    # Loading the models is load, too: measure only what follows.
    product.node.wait("one pod at rest", lambda: at_rest(product, namespace), seconds=480)
    assert reaches(lambda ready: ready == 1, 120)
    script = Path(__file__).parents[1] / "support" / "e2e_load.py"
    client = product.start("load", [sys.executable, script, config.ADDRESS, host, PATH, IMAGE, "4", "0"])
    try:
        grown = reaches(lambda ready: ready >= 2, 240)
        report, _ = client.communicate(timeout=120)
    finally:
        client.kill()
        client.communicate()
    requests = json.loads(report.splitlines()[-1])
    assert grown, timeline
    failed = [each for each in requests if each[2] != 200]
    assert failed == []
    load_ended = round(time.monotonic() - started, 1)
    assert reaches(lambda ready: ready == 1, 300), timeline
    answered = Counter(int((start + seconds - started) // 5) * 5 for start, seconds, _ in requests)
    rate = [(at, count / 5) for at, count in sorted(answered.items())]
    return {"replicas": timeline, "load ended": load_ended, "requests": len(requests), "requests a second": rate}


def at_rest(product: Product, namespace: str) -> bool:
    """Returns whether the autoscaler has metrics of the pods and wants one pod."""
    statuses = [each["status"] for each in product.get(namespace, AUTOSCALER)]
    return bool(statuses) and all(
        status.get("currentMetrics") and status["currentReplicas"] == status["desiredReplicas"] == 1
        for status in statuses
    )
