"""Compares `Ready` with the URL's responses every second while the resource changes.

The truth is: the URL is answered by this resource's own pods, and every ready pod has the current template. The status
may be late for a moment after a change; the maximum delay is measured.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import urllib3

from devtools.local_cluster.commands import NodeFailed
from face_comparison_operator.api_resources import DEPLOYMENT, RESOURCE
from face_comparison_operator.pod_status import is_ready, template_of
from face_comparison_operator.resource import IDENTITY_HEADER, TEMPLATE_ANNOTATION
from support.product import Object, Product

Key = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True)
class Look:
    """One sample of one resource."""

    at: float
    ready: bool
    real: bool
    reason: str


@dataclass
class Watcher:
    """Samples resources every second from `watching` to its end."""

    product: Product
    looks: dict[Key, list[Look]] = field(default_factory=dict)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        over = threading.Event()

        def run() -> None:
            while not over.is_set():
                began = time.monotonic()
                for key in list(self.looks):
                    with contextlib.suppress(NodeFailed):
                        self._look(key)
                over.wait(max(0.0, began + 1.0 - time.monotonic()))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def add(self, namespace: str, name: str) -> None:
        """Samples a resource from now on."""
        self.looks[namespace, name] = []

    def longest_disagreement(self, key: Key) -> tuple[float, str]:
        """Returns the duration of the longest run of disagreeing samples, and the reason reported during it."""
        longest, began, reported = 0.0, None, ""
        for look in self.looks[key]:
            if look.ready == look.real:
                began = None
                continue
            began = look.at if began is None else began
            if look.at - began >= longest:
                longest, reported = look.at - began, f"Ready={look.ready} ({look.reason}), real: {look.real}"
        return longest, reported

    def _look(self, key: Key) -> None:
        found = self.product.get(key[0], RESOURCE, key[1])
        if found is None or "deletionTimestamp" in found["metadata"]:
            return
        at = time.monotonic()
        ready = self._ready(found)
        real = self._answers(found) and self._is_present(key)
        again = self.product.get(key[0], RESOURCE, key[1])
        if again is None or self._ready(again) != ready:
            return  # it changed during the sample
        self.looks[key].append(Look(at, ready.get("status") == "True", real, ready.get("reason", "")))

    def _ready(self, found: Object) -> Object:
        """Returns `Ready`, if it is about the current spec."""
        generation = found["metadata"]["generation"]
        for each in found.get("status", {}).get("conditions", []):
            if each["type"] == "Ready" and each["observedGeneration"] == generation:
                return {name: each[name] for name in ("status", "reason")}
        return {}

    def _answers(self, found: Object) -> bool:
        url = urlsplit(found["status"].get("url", ""))
        if not url.hostname:
            return False
        try:
            reply = self.product.request("GET", url.path, url.hostname)
        except urllib3.exceptions.HTTPError:
            return False
        return reply.status == 200 and reply.headers.get(IDENTITY_HEADER) == found["metadata"]["uid"]

    def _is_present(self, key: Key) -> bool:
        deployment = self.product.get(key[0], DEPLOYMENT, key[1])
        if deployment is None:
            return False
        expected = deployment["spec"]["template"]["metadata"].get("annotations", {}).get(TEMPLATE_ANNOTATION)
        templates = {template_of(pod) for pod in self.product.pods(*key) if is_ready(pod)}
        return templates == {expected}
