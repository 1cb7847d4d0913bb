"""Changes that platforms make to new pods: OpenShift's user IDs, and a service mesh with a native sidecar."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from face_comparison_operator.api_resources import POD
from support.faults import MUTATING, filled, mutating
from support.product import IMAGE, Object, Product

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

USER = 1000680000  # in the range of a project

AS_ANY_USER = mutating(
    "Object{spec: Object.spec{securityContext: Object.spec.securityContext{"
    f"runAsUser: {USER}, runAsGroup: 0, fsGroup: {USER}}}}}}}"
)

# The kubelet's probes go to the mesh's proxy, which forwards them: the probe rewriting of Istio and Linkerd.
PROXY = """
import http.server, urllib.error, urllib.request
class Proxy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = 200
        if self.path != '/ready':
            try: urllib.request.urlopen('http://127.0.0.1:8080' + self.path.removeprefix('/app-health'), timeout=5)
            except urllib.error.HTTPError as error: status = error.code
            except OSError: status = 503
        self.send_response(status); self.send_header('Content-Length', '0'); self.end_headers()
http.server.ThreadingHTTPServer(('', 15021), Proxy).serve_forever()
"""
_CONFINED = (
    "Object.spec.initContainers.securityContext{allowPrivilegeEscalation: false, runAsNonRoot: true, capabilities: "
    'Object.spec.initContainers.securityContext.capabilities{drop: ["ALL"]}}'
)
_SIDECAR = (
    'Object.spec.initContainers{name: "mesh-proxy", image: object.spec.containers[0].image, restartPolicy: "Always", '
    f'command: ["python", "-c", {json.dumps(PROXY)}], securityContext: {_CONFINED}, '
    "startupProbe: Object.spec.initContainers.startupProbe{periodSeconds: 1, failureThreshold: 60, httpGet: "
    'Object.spec.initContainers.startupProbe.httpGet{path: "/ready", port: 15021}}}'
)
_REWRITTEN = [
    f'JSONPatch{{op: "replace", path: "/spec/containers/0/{probe}/httpGet/{name}", value: {value}}}'
    for probe, path in (("startupProbe", "readyz"), ("readinessProbe", "readyz"), ("livenessProbe", "livez"))
    for name, value in (("path", f'"/app-health/{path}"'), ("port", "15021"))
]
_ADDED = [  # a list that contains an object makes the API server (1.36) panic
    'JSONPatch{op: "add", path: "/spec/initContainers", value: []}',
    f'JSONPatch{{op: "add", path: "/spec/initContainers/-", value: {_SIDECAR}}}',
]
IN_A_MESH = mutating(f"[{', '.join([*_ADDED, *_REWRITTEN])}]", "jsonPatch", "JSONPatch")

Injected = Callable[[list[Object], Callable[[Object], bool]], None]


@pytest.fixture
def injected(product: Product, namespace: str) -> Iterator[Injected]:
    """Enables an admission policy of the namespace, and removes it afterwards."""

    def put(policy: list[Object], applies: Callable[[Object], bool]) -> None:
        product.apply_object(*filled(policy, namespace, ""))
        probe = {"httpGet": {"path": "/", "port": 1}}
        probes = dict.fromkeys(("startupProbe", "readinessProbe", "livenessProbe"), probe)
        confined: Object = {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        spec = {
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "service", "image": "trial", **probes, "securityContext": confined}],
        }
        trial = {"metadata": {"name": "trial", "namespace": namespace}, "spec": spec}

        def in_force() -> bool:
            found: Any = product.trial(POD, trial)
            return isinstance(found, dict) and applies(found)

        product.node.wait("the policy", in_force)

    yield put
    product.said("delete", "--ignore-not-found", *filled(list(MUTATING), namespace, ""))


def serves(product: Product, namespace: str, host: str) -> Object:
    """Deploys a resource, detects a face with it, and returns its pod."""
    product.apply(namespace, "faces", route={"host": host})
    product.wait_ready(namespace, "faces")
    image = base64.b64encode(IMAGE.read_bytes()).decode()
    reply = product.post("/prod/face_comparison", {"img": image}, host=host)
    assert reply.status == 200, reply.data
    assert reply.json()["Faces"]
    (pod,) = product.pods(namespace, "faces")
    return pod


def test_any_user_id_of_the_root_group(product: Product, namespace: str, injected: Injected) -> None:
    """As OpenShift's security context constraint `restricted-v2` chooses it, with a read-only file system."""
    injected(AS_ANY_USER, lambda spec: spec["securityContext"].get("runAsUser") == USER)
    pod = serves(product, namespace, "any-user.example.com")
    execute = ("exec", pod["metadata"]["name"], f"--namespace={namespace}", "--")
    assert product.node.kubectl(*execute, "id", "-u").strip() == str(USER)
    assert product.node.kubectl(*execute, "id", "-g").strip() == "0"
    (container,) = pod["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert "runAsUser" not in container["securityContext"], "the operator chooses no user"


def test_mesh_sidecar_that_answers_probes(product: Product, namespace: str, injected: Injected) -> None:
    injected(IN_A_MESH, lambda spec: "initContainers" in spec)
    pod = serves(product, namespace, "meshed.example.com")
    assert [each["name"] for each in pod["spec"]["initContainers"]] == ["mesh-proxy"]
    assert pod["spec"]["containers"][0]["readinessProbe"]["httpGet"]["port"] == 15021
