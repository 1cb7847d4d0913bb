"""Faults between the URL of a resource and its pods."""

from __future__ import annotations

from support.faults import (
    ELSEWHERE,
    GATEWAY_OF,
    Row,
    gateway,
    http_route,
    ingress,
)

ROUTES: list[Row] = [
    Row(
        "ingress-class",
        "no controller handles the Ingress class",
        "AddressPending",
        ["of the class nobody"],
        {"route": {"host": "HOST", "ingress": {"className": "nobody"}}},
        mended={},
    ),
    Row(
        "gateway",
        "the Gateway does not exist",
        "RouteNotAccepted",
        ["NAMESPACE/public does not exist"],
        http_route(name="public"),
        add=[gateway("public")],
    ),
    Row(
        "listener",
        "the Gateway has no such listener",
        "RouteNotAccepted",
        ["no listener named secure"],
        http_route(**GATEWAY_OF, sectionName="secure"),
        condition="RouteReady",
        mended=http_route(**GATEWAY_OF),
    ),
    Row(
        "listener-host",
        "no listener of the Gateway accepts the host",
        "RouteNotAccepted",
        ["no listener for HOST"],
        http_route(name="public"),
        given=[gateway("public", hostname="elsewhere.example.com")],
        condition="RouteReady",
        add=[gateway("public")],
    ),
    Row(
        "same-host",
        "another Ingress has the same path",
        "EndpointUnreachable",
        ["does not lead to the pods"],
        given=[*ELSEWHERE, ingress("/prod/face_comparison")],
        delete=["ingress/other"],
    ),
    Row(
        "certificate",
        "the Secret in `tlsSecret` does not exist",
        "CertificateInvalid",
        ["clients reject the certificate"],
        {"route": {"host": "HOST", "ingress": {"tlsSecret": "no-such-secret"}}},
        mended={},
    ),
    Row(
        "ip-host",
        "the host is an IP address",
        "ApplyFailed",
        ["must be a DNS name"],
        {"route": {"host": "192.0.2.7"}},
        mended={},
    ),
]
