"""A reconciler on an in-memory cluster, as a world of the reconcile rules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from face_comparison_operator.api_resources import (
    CHILDREN,
    GATEWAY,
    HTTP_ROUTE,
    INGRESS,
    POD,
    RESOURCE,
    SCALED_OBJECT,
    ApiResource,
)
from face_comparison_operator.cache import Key, ObjectCache
from face_comparison_operator.errors import Conflict
from face_comparison_operator.observation import Expectation, ProbeResult
from face_comparison_operator.reconcile import Reconciler
from face_comparison_operator.reconcile_context import Result
from face_comparison_operator.routing import RouteState
from face_comparison_operator.settings import Settings
from support.memory_cluster import MemoryCluster, Object

NAMESPACE, NAME = "ns", "faces"
WATCHED = (RESOURCE, *CHILDREN, POD)


class Metrics:
    def deployed(self, seconds: float) -> None: ...
    def conditions(self, key: Key, conditions: Any) -> None: ...


class MemoryWorld:
    """A reconciler with an in-memory cluster; time passes only while a test waits."""

    def __init__(self, **settings: Any) -> None:
        self.cluster, self.cache = MemoryCluster(), ObjectCache()
        self.cluster.missing = {HTTP_ROUTE, SCALED_OBJECT, GATEWAY}
        self.clock = 100.0
        self.requeued: list[Key] = []
        self.answer: Callable[[RouteState, Expectation], ProbeResult] = lambda route, expected: ProbeResult(
            "ok", version="m-1"
        )
        self.probed: list[RouteState] = []
        self.reconciler = Reconciler(
            self.cluster,
            self.cache,
            Settings(**settings),
            probe=self.probe,
            requeue=self.requeued.append,
            metrics=Metrics(),
            now=lambda: self.cluster.now,
            clock=lambda: self.clock,
        )
        self.loop = asyncio.new_event_loop()

    async def probe(self, route: RouteState, service: Object | None, expected: Expectation) -> ProbeResult:
        self.probed.append(route)
        return self.answer(route, expected)

    # --- steps -------------------------------------------------------------------------------------------------------

    def create(self, name: str = NAME, namespace: str = NAMESPACE, **spec: Any) -> None:
        body = {"metadata": {"name": name, "namespace": namespace}, "spec": spec, "status": {"observedGeneration": -1}}
        self.cluster.add(RESOURCE, body)

    def change(self, **spec: Any) -> None:
        self.cluster.edit(RESOURCE, NAMESPACE, NAME, {"spec": spec})

    def publish(self, name: str = NAME, namespace: str = NAMESPACE) -> None:
        status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
        self.cluster.edit(INGRESS, namespace, name, {"status": status})

    def add(self, kind: ApiResource, body: Object) -> None:
        metadata = {"name": NAME, "namespace": NAMESPACE, **body.get("metadata", {})}
        self.cluster.add(kind, {**body, "metadata": metadata})

    def edit(self, kind: ApiResource, patch: Object) -> None:
        self.cluster.edit(kind, NAMESPACE, NAME, patch)
        found = self.child(kind)
        if found and "deletionTimestamp" in found["metadata"] and not found["metadata"].get("finalizers"):
            self.cluster.remove(kind, NAMESPACE, NAME)

    def delete(self, kind: ApiResource) -> None:
        self.cluster.remove(kind, NAMESPACE, NAME)

    def recreate(self) -> None:
        spec = self.cluster.objects[RESOURCE.plural, NAMESPACE, NAME]["spec"]
        self.cluster.remove(RESOURCE, NAMESPACE, NAME)
        for kind in CHILDREN:
            if self.child(kind):
                self.cluster.edit(kind, NAMESPACE, NAME, {"metadata": {"ownerReferences": None}}, "gc")
        self.create(**spec)

    def child(self, kind: ApiResource) -> Object | None:
        return self.cluster.objects.get((kind.plural, NAMESPACE, NAME))

    def condition(self, kind: str = "Ready", name: str = NAME, namespace: str = NAMESPACE) -> Object:
        body = self.cluster.objects[RESOURCE.plural, namespace, name]
        return next((each for each in body["status"].get("conditions", []) if each["type"] == kind), {})

    def url(self) -> str | None:
        return self.cluster.objects[RESOURCE.plural, NAMESPACE, NAME]["status"].get("url")

    def resource_uid(self) -> str:
        return str(self.cluster.objects[RESOURCE.plural, NAMESPACE, NAME]["metadata"]["uid"])

    def generation(self) -> int:
        return int(self.cluster.objects[RESOURCE.plural, NAMESPACE, NAME]["metadata"]["generation"])

    def eventually(self, check: Callable[[], object], what: str) -> None:
        for _ in range(60):
            if check():
                return
            self.step()
        assert check(), f"{what}; Ready is {self.condition()}"

    # --- running -----------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Brings the cache up to date, as watches do."""
        for kind in WATCHED:
            seen = set()
            for (plural, namespace, name), body in self.cluster.objects.items():
                if plural == kind.plural:
                    seen.add((namespace, name))
                    self.cache.put(kind, body)
            self.cache.replace(kind, None, seen, 10**9)

    def reconcile(self, name: str = NAME, namespace: str = NAMESPACE) -> Result:
        """Reconciles once, and completes a probe that this starts."""

        async def once() -> Result:
            result = await self.reconciler.reconcile((namespace, name))
            for _ in range(5):
                await asyncio.sleep(0)
            return result

        self.sync()
        return self.loop.run_until_complete(once())

    def step(self, seconds: float = 1.0) -> None:
        """One step in the life of the cluster."""
        self.clock += seconds
        self.cluster.pass_time(seconds)
        self.cluster.run_controllers()
        for namespace, name in [key[1:] for key in self.cluster.objects if key[0] == RESOURCE.plural]:
            try:
                self.reconcile(name, namespace)
            except Conflict:
                continue

    def settle(self) -> None:
        for _ in range(8):
            self.step()
