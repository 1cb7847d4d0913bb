"""The fault matrix of the documents: every reason that reports a fault, each row measured, and as the tests have it."""

from __future__ import annotations

import json
import re
from types import ModuleType
from typing import Any

from devtools import ROOT
from face_comparison_operator import pod_diagnostics, reasons, routing
from support.fault_matrix import IN_CI, ROWS

MEASURED: dict[str, dict[str, Any]] = json.loads((ROOT / "docs" / "data" / "fault-matrix.json").read_text())
# What reports no fault, or a part of what another reason reports.
NO_FAULTS = {
    *("Accepted", "Deployed", "Deploying", "PodsAvailable", "NoPodReady", "EndpointReachable", "Admitted"),
    *("Scaling", "ScalerPending", "ClusterInternal", "CollectionsAvailable", "CollectionsPending"),
}
# What the node of `make fault-matrix` cannot bring about; each is shown on the real API server (tests/cluster).
ELSEWHERE = {
    "AcceleratorUnavailable",
    "NodeNotReady",
    "NotPermitted",
    "RoutePending",
    "ChildTerminating",
    "Terminating",
    "PodTerminating",
    "MetricsUnavailable",
}


def named(module: ModuleType) -> set[str]:
    return {
        value
        for name, value in vars(module).items()
        if name.isupper() and not name.startswith("_") and re.fullmatch(r"[A-Z][A-Za-z]+", str(value))
    }


def test_every_reason_of_a_fault_has_a_row() -> None:
    known = named(pod_diagnostics) | named(reasons) | named(routing)
    assert known - {row.reason for row in ROWS} == NO_FAULTS | ELSEWHERE


def test_every_row_was_measured_as_it_stands() -> None:
    """`make fault-matrix` writes what is missing here."""
    assert list(MEASURED) == [row.name for row in ROWS]
    assert len(ROWS) >= 40
    for row in ROWS:
        found = MEASURED[row.name]
        assert (found["broken"], found["reason"], found["heals"]) == (row.broken, row.reason, row.heals)
        assert found["reported_seconds"] >= 0


def test_rows_of_ci_exist() -> None:
    assert set(IN_CI) <= {row.name for row in ROWS}
