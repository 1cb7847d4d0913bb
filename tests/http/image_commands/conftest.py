"""`detect` and `compare` in a folder of photographs."""

from __future__ import annotations

from pathlib import Path

import pytest

from face_comparison.cli import analyzers
from support.image_commands import PhotographAnalyzer, photograph


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A current folder with photographs, and models."""
    monkeypatch.setattr(analyzers, "load_analyzer", lambda given: (PhotographAnalyzer(), 2))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    for name, people in {
        "anna.jpg": ["anna"],
        "photos/anna2.jpg": ["anna*"],
        "photos/deep/bert.jpg": ["bert", "carl"],
        "photos/nobody.jpg": [],
    }.items():
        (tmp_path / name).write_bytes(photograph(*people))
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return tmp_path
