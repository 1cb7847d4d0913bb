"""How kstatus, which Helm and Flux use to wait, judges resources as the operator reports them."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from devtools.k8s import programs
from devtools.k8s.programs import PartUnavailable
from support.recorded import FAULTS, NEW, SERVING, Object, ready_of, resource


def verdicts(objects: list[Object]) -> list[str]:
    try:
        program = programs.binary("kstatus")
    except PartUnavailable as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    message = subprocess.run([program], input=json.dumps(objects), capture_output=True, text=True, check=True).stdout
    return [each["status"] for each in json.loads(message)]


def test_not_ready_before_own_pods_respond() -> None:
    moments = {
        "new": resource(NEW),
        "changed since": resource(SERVING, generation=SERVING["observedGeneration"] + 1),
        "serves": resource(SERVING),
        "being deleted": resource(SERVING, deletionTimestamp="2026-01-02T03:04:05Z"),
    }
    found = dict(zip(moments, verdicts(list(moments.values())), strict=True))
    assert found == {
        "new": "InProgress",
        "changed since": "InProgress",
        "serves": "Current",
        "being deleted": "Terminating",
    }


def test_new_resource_is_not_ready_by_default_status() -> None:
    """Otherwise kstatus considers an unprocessed resource ready."""
    assert verdicts([resource(None)]) == ["Current"]


def test_recorded_faults_are_not_ready() -> None:
    assert len(FAULTS) >= 40
    found = dict(zip(FAULTS, verdicts([resource(each) for each in FAULTS.values()]), strict=True))
    expected = {
        name: "Current" if ready_of(status)["status"] == "True" else "InProgress" for name, status in FAULTS.items()
    }
    assert found == expected
    assert {"Current", "InProgress"} == set(found.values())
