"""Every row of the fault matrix on the real node: its reason and message are reported, and its remedy works.

FACE_COMPARISON_FAULT_MATRIX=FILE (`make fault-matrix`) runs all rows, several at once, and writes the measurements.
"""

from __future__ import annotations

import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from devtools.k8s.controlplane import attempts
from devtools.local_cluster.commands import NodeFailed
from face_comparison_operator.api_resources import DEPLOYMENT, POD, RESOURCE, SERVICE
from support.fault_matrix import IN_CI, ROWS
from support.faults import Row, filled
from support.product import Object, Product

pytestmark = [pytest.mark.node, pytest.mark.timeout(3600)]

REPORT = os.environ.get("FACE_COMPARISON_FAULT_MATRIX")
AT_ONCE = 5
SECONDS, HEALING_SECONDS = 300.0, 480.0
NAMED = {row.name: row for row in ROWS}
# Parts of messages that differ between runs.
_RUN = re.compile(r"fault-[a-z-]+-[0-9a-f]{6,10}(-[a-z0-9]{5})?|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}\b")
_REVISION = re.compile(r"yunet-sface-\d+")


class Broken:
    """A row in a namespace of its own."""

    def __init__(self, product: Product, row: Row) -> None:
        self.product, self.row = product, row
        self.namespace = f"fault-{row.name}"
        self.host = f"{row.name}.faults.example.com"
        self._unruled: list[Any] | None = None
        """What was admitted before the row's admission rule, if it has one that is deleted again."""

    def run(self) -> dict[str, Any]:
        """Injects the fault, waits until it is reported, fixes it, and waits until the resource is Ready."""
        row = self.row
        # Without a Pod Security level, which would reject the sidecars of some rows.
        self.product.apply_object({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})
        try:
            if row.given:
                self._add(row.given)
            if row.name == "paused":  # paused resources run before
                self._apply({})
                self._wait(lambda ready: ready.get("status") == "True", "Ready")
                self._apply({"paused": True, "limits": {"queue": 7}})
            else:
                self._apply(row.spec)
            broken = time.monotonic()
            told = self._wait(self._is_reported, row.condition)
            reported = time.monotonic() - broken
            status = self.product.get(self.namespace, RESOURCE, "faces")["status"]
            if row.delete:
                self.product.node.kubectl("delete", f"--namespace={self.namespace}", *self._filled(row.delete))
            if self._unruled is not None:  # a deleted rule still applies for a moment
                self.product.node.wait("the end of the admission rule", lambda: self._admitted() == self._unruled)
            if row.add:
                self._add(row.add)
            if row.mended is not None:
                self._apply(row.mended)
            healing = time.monotonic()
            self._wait(lambda ready: ready.get("status") == "True", "Ready", HEALING_SECONDS)
            return {
                "broken": row.broken,
                "condition": row.condition,
                "reason": row.reason,
                "message": _REVISION.sub("yunet-sface-…", _RUN.sub("…", told["message"]))
                .replace(self.namespace, "NAMESPACE")
                .replace(self.host, "HOST"),
                "reported_seconds": round(reported, 1),
                "heals": row.heals,
                "ready_again_seconds": round(time.monotonic() - healing, 1),
                "status": status,
            }
        finally:
            cleared = self._filled([each for each in row.delete if "NAMESPACE" in each])
            cleared += [f"validatingadmissionpolicy{each}/{self.namespace}" for each in ("binding", "")]
            self.product.said("delete", "--ignore-not-found", *dict.fromkeys(cleared))
            self.product.said("delete", "namespace", self.namespace, "--wait=false")

    def _is_reported(self, condition: Object) -> bool:
        words = self._filled(self.row.words)
        return condition.get("reason") == self.row.reason and all(each in condition["message"] for each in words)

    def _apply(self, spec: Object) -> None:
        self.product.apply(self.namespace, "faces", **{"route": {"host": self.host}, **self._filled(spec)})

    def _add(self, objects: Any) -> None:
        placed = [
            {**each, "metadata": {"namespace": self.namespace, **each["metadata"]}} for each in self._filled(objects)
        ]
        for each in placed:
            if each["kind"].startswith(("Validating", "Mutating", "RuntimeClass", "StorageClass")):
                del each["metadata"]["namespace"]
        admission = any("Policy" in each["kind"] or "Webhook" in each["kind"] for each in placed)
        before = self._admitted() if admission else None
        self.product.apply_object(*placed)
        if admission:  # the API server enforces them a moment later
            self.product.node.wait("the admission rule", lambda: self._admitted() != before)
            self._unruled = before if self.row.delete else None

    def _admitted(self) -> list[Any]:
        """Returns what happens to a Service, a pod, and a Deployment that somebody creates."""
        metadata = {"name": "trial", "namespace": self.namespace, "labels": {"app": "trial"}}
        probe = {"httpGet": {"path": "/", "port": 1}}
        pod = {"containers": [{"name": "service", "image": "trial", "startupProbe": probe}]}
        template = {"metadata": {"labels": {"app": "trial"}}, "spec": pod}
        deployment = {"selector": {"matchLabels": {"app": "trial"}}, "template": template}
        trials = ((SERVICE, {"ports": [{"port": 80}]}), (POD, pod), (DEPLOYMENT, deployment))
        found = [self.product.trial(kind, {"metadata": metadata, "spec": spec}) for kind, spec in trials]
        return [_RUN.sub("…", re.sub(r"10\.96\.\d+\.\d+|kube-api-access-\w+", "…", str(each))) for each in found]

    def _filled(self, value: Any) -> Any:
        return filled(value, self.namespace, self.host)

    def _wait(self, right: Any, kind: str, seconds: float = SECONDS) -> Object:
        found: Object = {}
        for _ in attempts(seconds, pause=0.3):
            try:
                found = self.product.condition(self.namespace, "faces", kind)
            except NodeFailed:
                continue
            if right(found):
                return found
        raise AssertionError(f"{self.row.name} after {seconds:.0f} s: {kind} is {found}")


@pytest.mark.skipif(bool(REPORT), reason="all rows are run together")
@pytest.mark.parametrize("name", IN_CI)
def test_row(product: Product, name: str) -> None:
    Broken(product, NAMED[name]).run()


@pytest.mark.skipif(not REPORT, reason="`make fault-matrix` runs all rows and writes them")
def test_every_row(product: Product) -> None:
    path, writing = Path(str(REPORT)), Lock()

    def attempt(row: Row) -> str | None:
        try:
            result = Broken(product, row).run()
        except (AssertionError, NodeFailed) as failure:
            return str(failure)
        with writing:  # immediately, so that an interrupted run has results, too
            kept = json.loads(path.read_text()) if path.exists() else {}
            kept[row.name] = result
            ordered = {each.name: kept[each.name] for each in ROWS if each.name in kept}
            path.write_text(json.dumps(ordered, indent=2, ensure_ascii=False) + "\n")
        return None

    expected = os.environ.get("ROWS", "")
    rows = [row for row in ROWS if not expected or row.name in expected.split(",")]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        failed = [failure for failure in pool.map(attempt, rows) if failure]
    assert not failed, "\n".join(failed)
