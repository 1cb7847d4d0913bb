"""What the service says of itself: the OpenAPI document and the short description. Pure: settings in, documents out."""

from __future__ import annotations

from typing import Any

from face_comparison import __version__
from face_comparison.analysis import ModelInfo
from face_comparison.settings import Settings


def description(settings: Settings, model: ModelInfo) -> dict[str, Any]:
    return {}


def document(settings: Settings, model: ModelInfo) -> dict[str, Any]:
    return {"version": __version__}
