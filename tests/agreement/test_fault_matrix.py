"""The documented fault matrix covers every reason that reports a fault, with measured rows that match the tests."""

from __future__ import annotations

import json
import re
from types import ModuleType
from typing import Any

from devtools import ROOT
from face_comparison_operator import pod_problems, reasons, routing
from support.fault_matrix import IN_CI, ROWS

MEASURED: dict[str, dict[str, Any]] = json.loads((ROOT / "docs" / "data" / "fault-matrix.json").read_text())
SLOWEST = 200
"""Every fault is reported within so many seconds, even on a busy machine, where a pod may take two minutes to start."""
# Reasons that report no fault, or a part of what another reason reports.
NO_FAULTS = {
    *("Accepted", "Deployed", "Deploying", "PodsAvailable", "NoPodReady", "EndpointReachable", "Admitted"),
    *("Scaling", "ScalerPending", "ClusterInternal", "CollectionsAvailable", "CollectionsPending"),
}
# Reasons that the node of `make fault-matrix` cannot cause; tests/cluster shows each on the real API server.
ELSEWHERE = {
    "AcceleratorUnavailable",
    "NodeNotReady",
    "NotPermitted",
    "ChildTerminating",
    "Terminating",
    "PodTerminating",
}


def named(module: ModuleType) -> set[str]:
    return {
        value
        for name, value in vars(module).items()
        if name.isupper() and not name.startswith("_") and re.fullmatch(r"[A-Z][A-Za-z]+", str(value))
    }


def test_every_reason_of_a_fault_has_a_row() -> None:
    known = named(pod_problems) | named(reasons) | named(routing)
    assert known - {row.reason for row in ROWS} == NO_FAULTS | ELSEWHERE


def test_every_row_was_measured_as_it_stands() -> None:
    """`make fault-matrix` writes missing rows."""
    assert list(MEASURED) == [row.name for row in ROWS]
    assert len(ROWS) >= 40
    for row in ROWS:
        found = MEASURED[row.name]
        assert (found["broken"], found["reason"], found["heals"]) == (row.broken, row.reason, row.heals)
        assert 0 <= found["reported_seconds"] < SLOWEST


def test_rows_of_ci_exist() -> None:
    assert set(IN_CI) <= {row.name for row in ROWS}
