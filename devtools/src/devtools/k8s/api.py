"""A client of the API server for tests, with waits that have a deadline.

It also writes what a kubelet, an ingress controller, or a careless person would write, where a test plays their part.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import requests
import yaml

from devtools import ROOT
from devtools.k8s.controlplane import attempts
from face_comparison_operator.api_resources import (
    CHILDREN,
    DEPLOYMENT,
    EVENT,
    HTTP_ROUTE,
    INGRESS,
    POD,
    RESOURCE,
    ApiResource,
)
from face_comparison_operator.resource import MANAGED_BY

Object = dict[str, Any]
T = TypeVar("T")

SECONDS = 30.0
CRD = ApiResource("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions")
DEFINITION = ROOT / "charts" / "face-comparison" / "files" / "crd.yaml"


class Refused(Exception):
    """The API server rejected a request. It has the HTTP status and the server's message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """Sends requests with the client certificate of a kubeconfig file, as the field manager `test`.

    server: its URL, if it is not the file's.
    """

    def __init__(self, kubeconfig: Path, server: str = "") -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._server = server or cluster["server"]
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = cluster["certificate-authority"]
        self._session.cert = (user["client-certificate"], user["client-key"])

    def _send(self, method: str, path: str, content: str = "application/json", **options: Any) -> Object:
        headers = {"Content-Type": content}
        params = {"fieldManager": "test", **options.pop("params", {})} if method != "GET" else options.pop("params", {})
        reply = self._session.request(
            method, self._server + path, headers=headers, params=params, timeout=30, **options
        )
        is_json = reply.headers.get("Content-Type", "").startswith("application/json")
        if reply.status_code >= 400:
            raise Refused(reply.status_code, reply.json()["message"] if is_json else f"{path}: {reply.text}")
        body: Object = reply.json()
        return body

    def create(self, kind: ApiResource, body: Object, **params: str) -> Object:
        """Creates an object; its apiVersion and kind may be omitted."""
        full = {"apiVersion": kind.api_version, "kind": kind.name, **body}
        return self._send("POST", kind.path(body["metadata"].get("namespace")), json=full, params=params)

    def get(self, kind: ApiResource, namespace: str | None, name: str) -> Object | None:
        """Returns one object, or None if it does not exist."""
        try:
            return self._send("GET", kind.path(namespace, name))
        except Refused as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def all(self, kind: ApiResource, namespace: str | None, selector: str = "") -> list[Object]:
        """Returns every object of a kind."""
        found = self._send("GET", kind.path(namespace), params={"labelSelector": selector})["items"]
        return [{"apiVersion": kind.api_version, "kind": kind.name, **each} for each in found]

    def merge(self, kind: ApiResource, namespace: str | None, name: str, change: Object, part: str = "") -> Object:
        """Changes an object as `kubectl patch --type=merge` does; `part` is a subresource."""
        path = kind.path(namespace, name) + (f"/{part}" if part else "")
        return self._send("PATCH", path, "application/merge-patch+json", json=change)

    def delete(self, kind: ApiResource, namespace: str | None, name: str, **body: Any) -> None:
        """Deletes an object in the background, or with the options in `body`."""
        self._send("DELETE", kind.path(namespace, name), json={"propagationPolicy": "Background", **body})


def install(api: Api, definition: Object) -> None:
    """Installs a CRD unless it exists, and waits until its kind is served."""
    name, spec = definition["metadata"]["name"], definition["spec"]
    if api.get(CRD, None, name) is None:
        api.create(CRD, definition)
    version = next(each["name"] for each in spec["versions"] if each["served"])

    def served() -> bool:
        try:
            api.all(ApiResource(f"{spec['group']}/{version}", spec["names"]["kind"], spec["names"]["plural"]), None)
        except Refused:
            return False
        return True

    until(served, bool, f"{name} is served")


def permissive_crd(kind: ApiResource) -> Object:
    """Returns a CRD that accepts anything, for an API whose own program is not part of these tests."""
    group, _, version = kind.api_version.partition("/")
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {
        "name": version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": anything}}},
    }
    names = {"kind": kind.name, "plural": kind.plural}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [served]}
    annotations = {"api-approved.kubernetes.io": "unapproved, a stand-in"}  # required under k8s.io
    return {"metadata": {"name": f"{kind.plural}.{group}", "annotations": annotations}, "spec": spec}


GARBAGE_SECONDS = 90
"""The garbage collector discovers new kinds of owners every 30 s, which delays the first collection."""


class Faces:
    """FaceComparison resources of one namespace, and everything around them."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api, self.namespace = api, namespace

    def create(self, name: str, **spec: Any) -> Object:
        """Creates a resource, with strict validation of its fields."""
        body = {"metadata": {"name": name, "namespace": self.namespace}, "spec": spec}
        return self.api.create(RESOURCE, body, fieldValidation="Strict")

    def change(self, name: str, **spec: Any) -> Object:
        """Merges fields into the spec."""
        return self.api.merge(RESOURCE, self.namespace, name, {"spec": spec})

    def get(self, name: str) -> Object:
        """Returns the resource."""
        found = self.api.get(RESOURCE, self.namespace, name)
        assert found is not None
        return found

    def children(self, kinds: tuple[ApiResource, ...] = CHILDREN) -> list[Object]:
        """Returns everything that the operator created here, for all resources."""
        found = []
        for kind in kinds:
            try:
                found += self.api.all(kind, self.namespace, MANAGED_BY)
            except Refused:  # an optional API
                assert kind.optional
        return found

    def child(self, kind: ApiResource, name: str) -> Object | None:
        """Returns one child."""
        return self.api.get(kind, self.namespace, name)

    def pods(self) -> list[Object]:
        """Returns the pods of every resource here."""
        return self.api.all(POD, self.namespace, MANAGED_BY)

    def condition(self, name: str, kind: str = "Ready") -> Object:
        """Returns a condition of a resource; empty if it does not exist yet."""
        conditions = self.get(name).get("status", {}).get("conditions", [])
        return next((each for each in conditions if each["type"] == kind), {})

    def wait_for(self, name: str, reason: str, kind: str = "Ready", seconds: float = SECONDS) -> Object:
        """Waits until the condition has this reason for the current generation, and returns it."""

        def right(condition: Object) -> bool:
            current = condition.get("observedGeneration") == self.get(name)["metadata"]["generation"]
            return current and condition.get("reason") == reason

        return until(lambda: self.condition(name, kind), right, f"{kind} of {name} is {reason}", seconds)

    def publish(self, name: str, address: str = "127.0.0.1", port: int | None = None) -> None:
        """Sets the address of the Ingress, as its controller would."""
        uid = self.get(name)["metadata"]["uid"]

        def own(ingress: Object | None) -> bool:
            """Returns whether a child belongs to this resource, not to an earlier, deleted one of the same name."""
            return ingress is not None and uid in {each["uid"] for each in ingress["metadata"]["ownerReferences"]}

        until(lambda: self.child(INGRESS, name), own, f"the Ingress {name} is there", GARBAGE_SECONDS)
        ports = {"ports": [{"port": port, "protocol": "TCP"}]} if port else {}
        status = {"loadBalancer": {"ingress": [{"ip": address, **ports}]}}
        self.api.merge(INGRESS, self.namespace, name, {"status": status}, "status")

    def take(self, name: str) -> None:
        """Marks the HTTPRoute as accepted by its Gateways, as their controller would."""
        route = until(lambda: self.child(HTTP_ROUTE, name), bool, f"the HTTPRoute {name} is there") or {}
        reported = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "it is here"}
        generation = {"observedGeneration": route["metadata"]["generation"]}
        condition = {**reported, **generation, "lastTransitionTime": "2026-01-01T00:00:00Z"}
        parents = [
            {"parentRef": parent, "controllerName": "example.com/test", "conditions": [condition]}
            for parent in route["spec"]["parentRefs"]
        ]
        self.api.merge(HTTP_ROUTE, self.namespace, name, {"status": {"parents": parents}}, "status")

    def deploy(self, name: str, **spec: Any) -> Object:
        """Creates a resource, plays the ingress controller, and waits until it is ready."""
        self.create(name, **spec)
        self.publish(name)
        self.wait_for(name, "Deployed")
        return self.get(name)

    def kubelet_says(self, pod: Object, **status: Any) -> None:
        """Writes a pod's status, as the kubelet of its node would."""
        self.api.merge(POD, self.namespace, pod["metadata"]["name"], {"status": status}, "status")

    def kubelet_warns(self, pod: Object, reason: str, message: str) -> None:
        """Posts a warning event about a pod, as the kubelet of its node would."""
        metadata = pod["metadata"]
        about = {"kind": "Pod", "namespace": self.namespace, "name": metadata["name"], "uid": metadata["uid"]}
        self.api.create(
            EVENT,
            {
                "metadata": {"generateName": f"{metadata['name']}.", "namespace": self.namespace},
                "involvedObject": about,
                "type": "Warning",
                "reason": reason,
                "message": message,
                "source": {"component": "kubelet"},
            },
        )

    def template(self, name: str) -> Object:
        """Returns the pod template of a resource's Deployment."""
        deployment = self.child(DEPLOYMENT, name)
        assert deployment is not None
        found: Object = deployment["spec"]["template"]
        return found

    def pod_of(self, name: str, where: Callable[[Object], bool] = lambda pod: True) -> Object:
        """Waits for a scheduled pod of the current revision of a resource, and returns it."""

        def right() -> Object | None:
            if self.child(DEPLOYMENT, name) is None:
                return None
            digest = self.template(name)["metadata"]["annotations"]["facecomparison.dev/template"]
            for pod in self.pods():
                mine = pod["metadata"]["annotations"].get("facecomparison.dev/template") == digest
                if mine and pod["spec"].get("nodeName") and where(pod) and "deletionTimestamp" not in pod["metadata"]:
                    return pod
            return None

        return until(right, bool, f"a pod of {name} has a node") or {}


def until(
    look: Callable[[], T], right: Callable[[T], object], what: str, seconds: float = SECONDS, pause: float = 0.1
) -> T:
    """Polls until the condition holds; fails after `seconds` with the last state."""
    seen = None
    for _ in attempts(seconds, pause):
        seen = look()
        if right(seen):
            return seen
    raise AssertionError(f"not within {seconds:.0f} s: {what}; last seen: {seen!r}")
