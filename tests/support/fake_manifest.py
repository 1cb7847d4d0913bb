"""The manifest of the bundle that the fake analyzer pretends to run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from face_comparison.vision.bundle import Comparison
from support.analyzer import MODEL


def fake_manifest() -> Any:
    """Of the bundle that the fake analyzer pretends to run."""
    return SimpleNamespace(
        name=MODEL.bundle,
        version=MODEL.version,
        comparison=Comparison(threshold=MODEL.threshold, scale=MODEL.scale),
        detector=SimpleNamespace(min_confidence=MODEL.min_confidence),
        embedder=SimpleNamespace(width=128),
    )
