"""How models are loaded from settings."""

from __future__ import annotations

from typing import Any, cast

import cv2
import pytest

from face_comparison.models import loader
from face_comparison.settings import Settings
from face_comparison.vision.bundle import Bundle


def test_opencv_takes_no_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def build(bundle: Bundle, **options: Any) -> Any:
        seen.append((cv2.getNumThreads(), options["threads"]))

    monkeypatch.setattr(loader, "build_analyzer", build)
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        loader.load_analyzer(cast(Bundle, None), Settings(), 2, every_bucket=False)
    finally:
        cv2.setNumThreads(before)
    assert seen == [(1, 2)]
