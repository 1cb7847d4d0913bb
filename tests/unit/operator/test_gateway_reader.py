"""Which Gateways are read, and for how long they are kept."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any, cast

from face_comparison_operator.api_resources import ApiResource
from face_comparison_operator.gateway_reader import GATEWAY_POLL, GatewayReader
from face_comparison_operator.reconcile_context import Client, Context, ResourceCache
from face_comparison_operator.resource import parse
from face_comparison_operator.routing import Gateways


class Body(dict[str, Any]):
    """An object that can be referenced weakly."""


class Cluster:
    """Gateways, each of which exists; with the names that were read."""

    def __init__(self) -> None:
        self.clock, self.read_names = 100.0, list[str]()
        self.bodies: dict[str, weakref.ref[Body]] = {}
        self.reader = GatewayReader(cast("Client", self), lambda: self.clock)

    async def read(self, kind: ApiResource, namespace: str, name: str) -> Body:
        body = Body(metadata={"name": name, "namespace": namespace})
        self.read_names.append(name)
        self.bodies[name] = weakref.ref(body)
        return body

    def gateways(self, name: str) -> Gateways:
        """Returns the Gateways of a resource whose route names one."""
        spec = {"route": {"gateway": {"parentRefs": [{"name": name}]}}}
        resource = parse({"metadata": {"name": "faces", "namespace": "ns", "uid": "u"}, "spec": spec})
        return asyncio.run(self.reader.read(Context(("ns", "faces"), resource, ResourceCache("u")), resource, 1.0))


def test_gateway_is_read_once_per_interval() -> None:
    cluster = Cluster()
    for _ in range(3):
        assert cluster.gateways("public").found.keys() == {("ns", "public")}
        cluster.clock += GATEWAY_POLL / 2
    assert cluster.read_names == ["public", "public"]


def test_gateway_that_no_route_names_is_dropped() -> None:
    cluster = Cluster()
    cluster.gateways("former")
    cluster.gateways("other")
    gc.collect()
    assert cluster.bodies["former"]() is not None, "it may be asked for again"
    cluster.clock += GATEWAY_POLL
    cluster.gateways("public")
    gc.collect()
    assert [name for name, body in cluster.bodies.items() if body() is not None] == ["public"]
