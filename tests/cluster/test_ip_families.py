"""IPv6-only and dual-stack clusters: a real API server whose own address, Services, and pods have IPv6 addresses."""

from __future__ import annotations

import http.server
import json
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from devtools.k8s import rights
from devtools.k8s.api import DEFINITION, Api, Faces, install
from devtools.k8s.controlplane import ControlPlane
from devtools.k8s.operating import Operator
from face_comparison_operator.api_resources import NETWORK_POLICY, SERVICE
from face_comparison_operator.resource import IDENTITY_HEADER
from support.server_thread import in_thread

pytestmark = pytest.mark.cluster

CPU = {"type": "cpu"}
IPV6, IPV4 = "fd10:96::/112", "10.96.0.0/16"


class IPv6Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


@contextmanager
def ingress_controller() -> Iterator[Any]:
    """Responds on `::1` only, as the pods of the resource with the UID `identity`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = json.dumps({"FaceModelVersion": "test-7"}).encode()
            self.send_response(200)
            self.send_header(IDENTITY_HEADER, server.identity)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Logs nothing."""

    server: Any = IPv6Server(("::1", 0), Handler)
    server.identity = ""
    with in_thread(server):
        yield server


@pytest.mark.parametrize("services", [IPV6, f"{IPV6},{IPV4}"], ids=["IPv6 alone", "both, IPv6 first"])
def test_resource_becomes_ready_over_ipv6(services: str, tmp_path: Path) -> None:
    with ControlPlane(address="::1", services=services, pods="fd10:0::1/64") as plane:
        api = Api(plane.kubeconfig)
        install(api, yaml.safe_load(DEFINITION.read_text()))
        kubeconfig = rights.kubeconfig(plane, tmp_path)
        assert "[::1]" in kubeconfig.read_text(), "the operator reaches the API server over IPv6 alone"
        with Operator(kubeconfig, tmp_path) as operator, ingress_controller() as entry:
            for port, path in ((operator.health_port, "readyz"), (operator.metrics_port, "metrics")):
                with urllib.request.urlopen(f"http://[::1]:{port}/{path}", timeout=10) as response:
                    assert response.status == 200
            faces = Faces(api, "default")
            entry.identity = faces.create("faces", accelerator=CPU, networkPolicy=True)["metadata"]["uid"]
            faces.publish("faces", address="::1", port=entry.server_port)
            faces.wait_for("faces", "Deployed")
            assert faces.condition("faces", "RouteReady")["reason"] == "EndpointReachable"
            assert faces.get("faces")["status"]["url"] == f"http://[::1]:{entry.server_port}/prod/face_comparison"
            service = faces.child(SERVICE, "faces") or {}
            assert service["spec"]["ipFamilies"] == ["IPv6"]
            assert ":" in service["spec"]["clusterIP"]
            assert ":" in faces.pod_of("faces")["status"]["podIP"]
            assert faces.child(NETWORK_POLICY, "faces") is not None
            (container,) = faces.template("faces")["spec"]["containers"]
            assert {"name": "FACE_COMPARISON_HOST", "value": "::"} in container["env"]

            if IPV4 in services:
                # A second family is optional, and stays.
                api.merge(SERVICE, "default", "faces", {"spec": {"ipFamilyPolicy": "PreferDualStack"}})
                faces.change("faces", stage="v2", route={"none": {}})
                faces.wait_for("faces", "Deployed")
                assert (faces.child(SERVICE, "faces") or {})["spec"]["ipFamilies"] == ["IPv6", "IPv4"]
            else:
                faces.change("faces", route={"none": {}})
                faces.wait_for("faces", "ClusterInternal", "RouteReady")
            url = faces.get("faces")["status"]["url"]
            assert url.startswith("http://faces.default.svc/")
