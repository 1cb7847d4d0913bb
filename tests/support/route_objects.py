"""Ingresses, HTTPRoutes, and Gateways as their controllers write them."""

from __future__ import annotations

from typing import Any

from face_comparison_operator.resource import FaceComparison, parse
from face_comparison_operator.routing import Gateways

PATH = "/prod/face_comparison"


def resource(**route: Any) -> FaceComparison:
    metadata = {"name": "faces", "namespace": "ns", "uid": "u", "generation": 1}
    return parse({"metadata": metadata, "spec": {"route": route}})


def ingress(*addresses: dict[str, Any]) -> dict[str, Any]:
    return {"status": {"loadBalancer": {"ingress": list(addresses)}}}


TLS = {"host": "f.example.com", "ingress": {"tlsSecret": "t"}}
ADDRESS = {"ip": "192.0.2.1"}
GATEWAY = {"gateway": {"parentRefs": [{"name": "public", "sectionName": "secure"}]}}
LISTENERS = [
    {"name": "plain", "protocol": "HTTP", "port": 80},
    {"name": "secure", "protocol": "HTTPS", "port": 8443},
]
PUBLIC: dict[str, Any] = {"spec": {"listeners": LISTENERS}, "status": {"addresses": [{"value": "192.0.2.9"}]}}


def gateways(public: dict[str, Any]) -> Gateways:
    return Gateways({("ns", "public"): public})


def http_route(**conditions: str) -> dict[str, Any]:
    reported = [
        {"type": kind, "status": status, "reason": "Because", "message": "of this"}
        for kind, status in conditions.items()
    ]
    return {
        "metadata": {"generation": 1},
        "status": {"parents": [{"parentRef": {"name": "public"}, "conditions": reported}]},
    }


ACCEPTED = http_route(Accepted="True", ResolvedRefs="True")


def parent(name: str, generation: int | None = 1, status: str = "True", **reference: Any) -> dict[str, Any]:
    reported = {"type": "Accepted", "status": status, "reason": "Because", "message": "of this"}
    if generation is not None:
        reported["observedGeneration"] = generation  # type: ignore[assignment]
    return {"parentRef": {"name": name, **reference}, "conditions": [reported]}
