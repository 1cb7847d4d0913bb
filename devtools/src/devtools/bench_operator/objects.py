"""The objects of the benchmark: unrelated ones, Services of plain clients, and the resources."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from devtools.k8s.api import Api, Faces, until
from devtools.k8s.controlplane import ControlPlane
from face_comparison_operator.api_resources import DEPLOYMENT, RESOURCE, SERVICE, ApiResource

# Small enough that kwok's two nodes hold a thousand pods.
SPEC: dict[str, Any] = {"accelerator": {"type": "cpu"}, "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}}}
CHILDREN_EACH = 5
CLIENTS = 8
SECRET = ApiResource("v1", "Secret", "secrets")
NAMESPACE = ApiResource("v1", "Namespace", "namespaces")


def services_without_operator(plane: ControlPlane, api: Api, count: int) -> float:
    """Returns the seconds that the API server takes to create the Services alone, for plain clients."""
    namespace = f"bare-{count}"
    api.create(NAMESPACE, {"metadata": {"name": namespace}})
    spec = {"ports": [{"port": 80}]}
    bodies = [{"metadata": {"name": f"bare-{number}", "namespace": namespace}, "spec": spec} for number in range(count)]
    began = time.monotonic()
    parallel(plane, lambda client, body: client.create(SERVICE, body), bodies)
    taken = time.monotonic() - began
    api.delete(NAMESPACE, None, namespace)
    until(
        lambda: api.get(NAMESPACE, None, namespace),
        lambda found: found is None,
        "its namespace is deleted",
        seconds=300,
    )
    return taken


def parallel(plane: ControlPlane, work: Callable[[Api, Any], object], items: Iterable[Any]) -> None:
    """Calls `work` on every item from several clients at once, each with its own connections."""
    local = threading.local()

    def one(item: Any) -> None:
        if not hasattr(local, "api"):
            local.api = Api(plane.kubeconfig)
        work(local.api, item)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(one, items))


def make_unrelated(plane: ControlPlane, count: int) -> None:
    """Creates unrelated objects: Deployments without pods, and Secrets of one kilobyte."""
    if not count:
        return
    Api(plane.kubeconfig).create(NAMESPACE, {"metadata": {"name": "unrelated"}})

    def make(api: Api, number: int) -> None:
        metadata = {"name": f"other-{number}", "namespace": "unrelated"}
        labels = {"app": f"other-{number}"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "other", "image": "other"}]}}
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        api.create(DEPLOYMENT, {"metadata": metadata, "spec": spec})
        api.create(SECRET, {"metadata": metadata, "stringData": {"text": "x" * 1024}})

    parallel(plane, make, range(count))


def count_served(faces: Faces) -> int:
    """Returns how many resources report a ready pod."""
    found = faces.api.all(RESOURCE, faces.namespace)
    return sum(each.get("status", {}).get("readyReplicas", 0) > 0 for each in found)
