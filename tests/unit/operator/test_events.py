"""Which changes are reported as events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from face_comparison_operator.events import announcement
from face_comparison_operator.resource import parse

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def said(status: str, reason: str, message: str = "m") -> dict[str, Any]:
    other = {"type": "Available", "status": "True", "reason": "PodsAvailable", "message": ""}
    return {"conditions": [other, {"type": "Ready", "status": status, "reason": reason, "message": message}]}


CASES: list[tuple[str, dict[str, Any], dict[str, Any], str | None]] = [
    ("it begins", {}, said("False", "Deploying"), None),
    ("it begins with trouble", {}, said("False", "NameConflict"), "Warning"),
    ("it is ready", said("False", "Deploying"), said("True", "Deployed"), "Normal"),
    ("it is deployed again", said("True", "Deployed"), said("False", "Deploying"), "Normal"),
    ("nothing but words change", said("False", "Unschedulable", "a"), said("False", "Unschedulable", "b"), None),
    ("another trouble", said("False", "Unschedulable"), said("False", "ImagePullFailed"), "Warning"),
    ("it is scaled to zero", said("True", "Deployed"), said("False", "ScaledToZero"), "Normal"),
]


@pytest.mark.parametrize(("before", "after", "kind"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_announcement(before: dict[str, Any], after: dict[str, Any], kind: str | None) -> None:
    metadata = {"name": "faces", "namespace": "ns", "uid": "u", "generation": 1}
    found = announcement(parse({"metadata": metadata, "status": before}), after, NOW)
    assert (found or {}).get("type") == kind
    if found:
        assert (found["reason"], found["message"]) == tuple(
            after["conditions"][1][name] for name in ("reason", "message")
        )
        assert found["involvedObject"]["uid"] == "u"
        assert found["firstTimestamp"] == "2026-01-02T03:04:05Z"
