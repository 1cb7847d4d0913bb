"""Faults between the URL of a resource and its pods."""

from __future__ import annotations

from devtools.k8s.certificates import self_signed
from support.faults import (
    ELSEWHERE,
    GATEWAY_OF,
    Object,
    Row,
    gateway,
    http_route,
    ingress,
    secret,
)


def tls_secret(host: str, days: float) -> Object:
    """A Secret with a certificate for `host` that ends in `days`."""
    certificate, key = self_signed(host, days)
    return secret("tls", "kubernetes.io/tls", **{"tls.crt": certificate.decode(), "tls.key": key.decode()})


WITH_TLS: Object = {"route": {"host": "HOST", "ingress": {"tlsSecret": "tls"}}}

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
        "listener-kinds",
        "the Gateway's listener takes no HTTPRoutes",
        "RouteNotAccepted",
        ["no listener for HOST that takes HTTPRoutes"],
        http_route(name="public"),
        given=[gateway("public", allowedRoutes={"kinds": [{"kind": "GRPCRoute"}]})],
        condition="RouteReady",
        add=[gateway("public")],
    ),
    Row(
        "listener-namespaces",
        "the Gateway's listener does not admit the namespace",
        "RouteNotAccepted",
        ["reports NotAllowedByListeners"],
        http_route(name="public"),
        given=[
            gateway(
                "public",
                allowedRoutes={"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "vision"}}}},
            )
        ],
        condition="RouteReady",
        add=[gateway("public", allowedRoutes={"namespaces": {"from": "All"}})],
    ),
    Row(
        "listener-certificate",
        "the Secret of the Gateway's listener does not exist",
        "RoutePending",
        ["the listener web of the Gateway NAMESPACE/public does not work"],
        http_route(name="public"),
        given=[gateway("public", protocol="HTTPS", port=443, tls={"certificateRefs": [{"name": "no-such-secret"}]})],
        condition="RouteReady",
        add=[gateway("public")],
    ),
    Row(
        "gateway-class",
        "no controller takes Gateways of the class",
        "RoutePending",
        ["NAMESPACE/public"],
        http_route(name="public"),
        given=[gateway("public", "nobody")],
        condition="RouteReady",
        add=[gateway("public")],
    ),
    Row(
        "second-gateway",
        "one of two Gateways does not exist",
        "RouteNotAccepted",
        ["NAMESPACE/public does not exist"],
        {"route": {"host": "HOST", "gateway": {"parentRefs": [GATEWAY_OF, {"name": "public"}]}}},
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
        "certificate-host",
        "the certificate is for another host",
        "CertificateInvalid",
        ["not valid for 'HOST'"],
        WITH_TLS,
        given=[tls_secret("elsewhere.example.com", 9)],
        mended={},
    ),
    Row(
        "certificate-expired",
        "the certificate has expired",
        "CertificateInvalid",
        ["certificate has expired"],
        WITH_TLS,
        given=[tls_secret("certificate-expired.faults.example.com", -1)],
        add=[tls_secret("certificate-expired.faults.example.com", 9)],
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
