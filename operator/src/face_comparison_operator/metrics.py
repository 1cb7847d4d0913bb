"""All Prometheus metrics of the operator."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

Key = tuple[str, str]


class Metrics:
    """The operator's metrics. One instance per process; nothing is created at import."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        prefix, registry = "face_comparison_operator", self.registry
        self.reconciles = Counter(
            f"{prefix}_reconciles_total", "Reconciliations by result.", ["result"], registry=registry
        )
        self.reconcile_duration_seconds = Histogram(
            f"{prefix}_reconcile_duration_seconds",
            "Duration of a reconciliation.",
            registry=registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self.api_requests = Counter(
            f"{prefix}_api_requests_total",
            "Requests to the API server; code 0: no response.",
            ["verb", "resource", "code"],
            registry=registry,
        )
        self.deploy_duration_seconds = Histogram(
            f"{prefix}_deploy_duration_seconds",
            "Time from a spec change until the URL responds for it.",
            registry=registry,
            buckets=(1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200),
        )
        self.work_queue_depth = Gauge(f"{prefix}_work_queue_depth", "Work queue depth.", registry=registry)
        self.leader = Gauge(f"{prefix}_leader", "1 if this replica is the leader.", registry=registry)
        self.watch_staleness = Gauge(
            f"{prefix}_watch_staleness_seconds",
            "Seconds since the last response on the stalest watch.",
            registry=registry,
        )
        self._conditions: dict[Key, tuple[tuple[str, str, str], ...]] = {}
        self.registry.register(_Resources(f"{prefix}_resources", self._conditions))

    def request(self, verb: str, resource: str, code: int) -> None:
        """Counts a request to the API server; code 0: no response."""
        self.api_requests.labels(verb, resource, str(code)).inc()

    def deployed(self, seconds: float) -> None:
        """Records the duration of a finished deployment."""
        self.deploy_duration_seconds.observe(seconds)

    def conditions(self, key: Key, conditions: Sequence[dict[str, Any]] | None) -> None:
        """Records the conditions of a resource; None if it has been deleted."""
        if conditions is None:
            self._conditions.pop(key, None)
        else:
            self._conditions[key] = tuple((each["type"], each["status"], each["reason"]) for each in conditions)


class _Resources(Collector):
    """Counts resources by condition, at each scrape, because a resource moves between label combinations."""

    def __init__(self, name: str, conditions: dict[Key, tuple[tuple[str, str, str], ...]]) -> None:
        self._name, self._conditions = name, conditions

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            self._name, "Resources by condition, status, and reason.", labels=["condition", "status", "reason"]
        )
        tally = Tally(each for conditions in self._conditions.values() for each in conditions)
        for labels, count in sorted(tally.items()):
            family.add_metric(labels, count)
        yield family
