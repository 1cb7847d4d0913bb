"""Resources as waiting tools see them: recorded on the real node by `make fault-matrix`, and intermediate states."""

from __future__ import annotations

import json
from typing import Any

from devtools import ROOT

Object = dict[str, Any]
MATRIX: dict[str, Object] = json.loads((ROOT / "docs" / "data" / "fault-matrix.json").read_text())


def resource(status: Object | None, generation: int | None = None, **metadata: Any) -> Object:
    """Returns a FaceComparison with this status, by default of the generation that the status is about."""
    observed = max(1, (status or {}).get("observedGeneration", 1))
    body = {
        "apiVersion": "facecomparison.dev/v1alpha1",
        "kind": "FaceComparison",
        "metadata": {"name": "faces", "namespace": "ns", "uid": "u", "generation": generation or observed, **metadata},
        "spec": {},
    }
    return body if status is None else {**body, "status": status}


def ready_of(status: Object) -> Object:
    """Returns the condition `Ready`."""
    return next(each for each in status["conditions"] if each["type"] == "Ready")


FAULTS = {name: row["status"] for name, row in MATRIX.items()}
SERVING = next(status for status in FAULTS.values() if ready_of(status)["status"] == "True")
NEW: Object = {"observedGeneration": -1}
"""The status that the resource's definition gives a new resource."""
