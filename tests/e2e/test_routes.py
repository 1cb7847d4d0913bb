"""Ingress and HTTPRoute: by host and path, with TLS and API keys, and nothing outside `/<stage>`."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from devtools.k8s.certificates import Authority
from devtools.local_cluster.addons import GATEWAY
from face_comparison_operator.api_resources import HTTP_ROUTE
from support.product import Object, Product

pytestmark = [pytest.mark.node, pytest.mark.timeout(1800)]

PATH = "/prod/face_comparison"
KEY = "a-key-only-for-this-test"


def secret(namespace: str, name: str, kind: str = "Opaque", **values: bytes) -> Object:
    encoded = {key.replace("_", "-"): base64.b64encode(value).decode() for key, value in values.items()}
    where = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": where, "type": kind, "data": encoded}


def test_ingress_with_tls_and_api_key_serves_only_the_stage(product: Product, namespace: str, tmp_path: Path) -> None:
    host = "locked.example.com"
    certificate, key = Authority(tmp_path).sign("server", host, hosts=[host])
    pair = {"tls.crt": certificate.read_bytes(), "tls.key": key.read_bytes()}
    product.apply_object(
        secret(namespace, "faces-tls", "kubernetes.io/tls", **pair),
        secret(namespace, "faces-keys", api_keys=f"alice:{KEY}\n".encode()),
    )
    product.apply(
        namespace,
        "faces",
        route={"host": host, "ingress": {"className": "traefik", "tlsSecret": "faces-tls"}},
        auth={"mode": "ApiKey", "secretName": "faces-keys"},
    )
    status = product.wait_ready(namespace, "faces")
    assert status["url"] == f"https://{host}{PATH}"

    authority = tmp_path / "ca.crt"
    for shown, expected in (
        ("", (401, "unauthorized")),
        ("another", (403, "forbidden")),
        (KEY, (400, "invalid_base64")),  # it got as far as the image
    ):
        reply = product.post(
            PATH, {"img": "!"}, host, authority=authority, headers={"x-api-key": shown} if shown else {}
        )
        assert (reply.status, reply.json()["error"]["code"]) == expected

    for path in ("/metrics", "/livez", "/readyz", "/invocations", "/ping", "/"):
        inside = product.request("GET", path, host, authority=authority, headers={"x-api-key": KEY})
        assert inside.status == 404, path
        assert b"face_comparison" not in inside.data, path
    assert product.post(PATH, {}, "nobody.example.com").status == 404


def test_ingress_with_the_certificate_of_its_controller(product: Product, namespace: str) -> None:
    """TLS without a Secret: what the controller presents is for no host, which is said, and was asked for."""
    product.apply(namespace, "faces", route={"host": "own.example.com", "ingress": {"tls": True}})
    status = product.wait_ready(namespace, "faces")
    assert status["url"] == f"https://own.example.com{PATH}"
    route = product.condition(namespace, "faces", "RouteReady")
    assert (route["status"], route["reason"]) == ("True", "EndpointReachable")
    assert "clients reject the certificate presented for own.example.com" in route["message"]


def test_http_route_on_a_gateway(product: Product, namespace: str) -> None:
    gateway_namespace, name = GATEWAY
    gateway = {"parentRefs": [{"name": name, "namespace": gateway_namespace}]}
    product.apply(namespace, "faces", stage="v2", route={"host": "gateway.example.com", "gateway": gateway})
    status = product.wait_ready(namespace, "faces")
    assert status["url"] == "http://gateway.example.com/v2/face_comparison"
    described = product.request("GET", "/v2/face_comparison", "gateway.example.com")
    assert described.status == 200
    assert described.json()["FaceModelVersion"] == status["modelVersion"]
    assert product.request("GET", "/metrics", "gateway.example.com").status == 404

    # After a switch to an Ingress, the HTTPRoute is deleted and the same host still responds.
    product.apply(namespace, "faces", stage="v2", route={"host": "gateway.example.com"})
    product.wait_ready(namespace, "faces")
    assert product.get(namespace, HTTP_ROUTE) == []
    # Traefik applies one change and then the other; either route may have responded to the operator.
    product.node.wait(
        "the Ingress", lambda: product.request("GET", "/v2/face_comparison", "gateway.example.com").status == 200
    )
