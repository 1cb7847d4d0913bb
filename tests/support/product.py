"""The product installed on a node, as its users see it: resources are applied, images are posted to the ingress."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import requests
import urllib3

from devtools.k8s.api import Api, Refused
from devtools.k8s.controlplane import attempts
from devtools.k8s.link import relay_command
from devtools.k8s.ports import free_ports
from devtools.k8s.processes import Processes
from devtools.local_cluster import config
from devtools.local_cluster.commands import NodeFailed
from devtools.local_cluster.node import Node
from face_comparison_operator.api_resources import (
    AUTOSCALER,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    INGRESS,
    POD,
    RESOURCE,
    SERVICE,
    SERVICE_ACCOUNT,
    ApiResource,
)

READY_SECONDS = 240.0
LABEL = "app.kubernetes.io/instance"

REPLICA_SET = ApiResource("apps/v1", "ReplicaSet", "replicasets")
# What must be deleted with a resource, including pods.
BELONGINGS = (DEPLOYMENT, REPLICA_SET, POD, SERVICE, INGRESS, SERVICE_ACCOUNT, DISRUPTION_BUDGET, AUTOSCALER)

# Small enough that two versions of two pods fit on two cores, large enough for the models.
RESOURCES = {"requests": {"cpu": "50m", "memory": "300Mi"}, "limits": {"memory": "1500Mi"}}

IMAGE = Path(__file__).resolve().parents[2] / "service" / "src" / "face_comparison" / "sample.jpg"
# Servers that the fixture `servers` starts on the node, and the settings that pods need for them.
S3_PORT, WEB_PORT = 7070, 7071
KEYS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
S3_VARIABLES = [
    {"name": name, "value": value}
    for name, value in {
        **KEYS,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": f"http://{config.ADDRESS}:{S3_PORT}",
    }.items()
]

Object = dict[str, Any]


@dataclass
class Product:
    """The node, and access to it for the tests, which stay in the host's network."""

    node: Node
    processes: Processes
    ports: dict[int, int] = field(default_factory=dict)

    # --- resources ---

    def make_namespace(self, name: str) -> None:
        """Creates a namespace that admits only restricted pods."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.apply_object({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})

    def apply(self, namespace: str, name: str, **spec: Any) -> None:
        """Applies a FaceComparison for the CPU with small resources; `spec` overrides fields."""
        complete = {"accelerator": {"type": "cpu"}, "resources": RESOURCES, **spec}
        self.apply_object(
            {
                "apiVersion": "facecomparison.dev/v1alpha1",
                "kind": "FaceComparison",
                "metadata": {"name": name, "namespace": namespace},
                "spec": complete,
            }
        )

    def apply_object(self, *objects: Object) -> None:
        """Applies objects of any kind."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self.node.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def get(self, namespace: str, kind: ApiResource, name: str = "", **selector: str) -> Any:
        """Returns one object by name, or the list of those with the labels `selector`; None if it does not exist.

        It does not use kubectl, whose start takes a tenth of a second of CPU time, because waits poll. Raises
        NodeFailed if the API server rejects the request or does not respond.
        """
        try:
            if name:
                return self._api.get(kind, namespace, name)
            return self._api.all(kind, namespace, ",".join(f"{key}={value}" for key, value in selector.items()))
        except (requests.RequestException, Refused) as error:
            raise NodeFailed(f"the API server says: {error}") from error

    def patch(self, namespace: str, kind: ApiResource, name: str, change: Object) -> None:
        """Changes an object as `kubectl patch --type=merge` does."""
        self._api.merge(kind, namespace, name, change)

    def trial(self, kind: ApiResource, body: Object) -> Any:
        """Returns the spec that an object would get from the API server, or why it would be rejected."""
        try:
            return self._api.create(kind, body, dryRun="All")["spec"]
        except Refused as refusal:
            return str(refusal)

    @cached_property
    def _api(self) -> Api:
        return Api(self.node.kubeconfig, f"https://127.0.0.1:{self.port(config.API_PORT)}")

    def pods(self, namespace: str, name: str) -> list[Object]:
        """Returns the pods of a resource that are not terminating."""
        found = self.get(namespace, POD, **{LABEL: name})
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def condition(self, namespace: str, name: str, kind: str = "Ready") -> Object:
        """Returns a condition of the resource for its current generation; empty if there is none."""
        resource = self.get(namespace, RESOURCE, name)
        conditions: list[Object] = resource.get("status", {}).get("conditions", [])
        for each in conditions:
            if each["type"] == kind and each.get("observedGeneration") == resource["metadata"]["generation"]:
                return each
        return {}

    def wait_ready(self, namespace: str, name: str, seconds: float = READY_SECONDS) -> Object:
        """Returns the status of the resource once it is Ready for its current generation."""
        self.wait_condition(namespace, name, lambda ready: ready.get("status") == "True", seconds)
        status: Object = self.get(namespace, RESOURCE, name)["status"]
        return status

    def wait_condition(
        self, namespace: str, name: str, wanted: Callable[[Object], bool], seconds: float = READY_SECONDS
    ) -> Object:
        """Polls the condition Ready until `wanted` holds; a failure shows the last one and the pods."""
        ready: Object = {}
        for _ in attempts(seconds, pause=0.2):
            ready = self.condition(namespace, name)
            if wanted(ready):
                return ready
        pods = self.node.kubectl("get", "pods", f"--namespace={namespace}", "--output=wide")
        raise AssertionError(f"{namespace}/{name} after {seconds:.0f} s: {ready}\n{pods}")

    def wait_gone(self, namespace: str, name: str, seconds: float = 120) -> None:
        """Returns once everything that belongs to the resource is gone, including pods."""
        left: list[str] = []
        for _ in attempts(seconds, pause=0.2):
            found = [each for kind in BELONGINGS for each in self.get(namespace, kind, **{LABEL: name})]
            resource = self.get(namespace, RESOURCE, name)
            found += [resource] if resource else []
            left = [f"{each['kind']}/{each['metadata']['name']}" for each in found]
            if not left:
                return
        raise AssertionError(f"left of {namespace}/{name} after {seconds:.0f} s: {left}")

    def said(self, *arguments: str) -> str:
        """Returns kubectl's output, or why it failed."""
        try:
            return self.node.kubectl(*arguments)
        except NodeFailed as error:
            return str(error)

    # --- requests ---

    def wait_listening(self, port: int) -> None:
        """Returns once something on the node listens on `port` of its address."""
        probe = f"import socket; socket.create_connection(('{config.ADDRESS}', {port}), 1)"
        self.node.wait(f"a server on port {port}", lambda: self.run(sys.executable, "-c", probe) == "")

    def port(self, port: int) -> int:
        """Yields a port of the host's loopback address that leads to `port` of the node's address."""
        if port not in self.ports:
            (mine,) = free_ports(1)
            here, there = Path("/proc/self/ns/net"), Path(f"/proc/{self.node.pid}/ns/net")
            words = relay_command(here, "127.0.0.1", mine, there, config.ADDRESS, port)
            self.processes.start(f"relay-{port}", words)
            for _ in attempts(10):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", mine), 1):
                    break
            else:
                raise NodeFailed(f"nothing leads from port {mine} to the node's port {port}")
            self.ports[port] = mine
        return self.ports[port]

    def request(
        self, method: str, path: str, host: str = "", authority: Path | None = None, **options: Any
    ) -> urllib3.BaseHTTPResponse:
        """Sends one request to the ingress controller, never repeated; `host` is the name that a client would resolve.

        With `authority`, the file of a root certificate, it uses TLS and the certificate must be valid for `host`.
        """
        headers = {**options.pop("headers", {}), **({"Host": host} if host else {})}
        pool: urllib3.HTTPConnectionPool
        if authority:
            pool = urllib3.HTTPSConnectionPool(
                "127.0.0.1",
                self.port(443),
                ca_certs=str(authority),
                server_hostname=host,
                assert_hostname=host,
            )
        else:
            pool = urllib3.HTTPConnectionPool("127.0.0.1", self.port(80))
        with pool:
            return pool.request(method, path, headers=headers, timeout=60, retries=False, **options)

    def post(self, path: str, body: Object, host: str = "", **options: Any) -> urllib3.BaseHTTPResponse:
        """Posts JSON."""
        return self.request("POST", path, host, json=body, **options)

    def run(self, *command: str | Path, stdin: str | None = None, seconds: float = 120) -> str:
        """Runs a client in the node's network."""
        return self.node.run(*command, stdin=stdin, seconds=seconds)

    def start(self, name: str, command: Sequence[str | Path]) -> subprocess.Popen[str]:
        """Starts a client in the node's network whose output the test reads."""
        return subprocess.Popen(
            self.node.command(*command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.node.environment(),
        )
