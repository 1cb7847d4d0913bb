"""The command `collection`, on a store of its own or through a service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from face_comparison.cli import analyzers
from face_comparison.cli.main import main
from support.analyzer import NarrowAnalyzer, image
from support.fake_manifest import fake_manifest


@pytest.fixture
def url(serve: Callable[..., str]) -> str:
    """A service with a store, on loopback."""
    return serve() + "/prod"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A folder per person."""
    folder = tmp_path / "people"
    for person, photos in {"anna": ["anna", "anna*"], "Bert Müller": ["bert"], "carl": ["carl"]}.items():
        (folder / person).mkdir(parents=True)
        for number, photo in enumerate(photos):
            (folder / person / f"{number}.jpg").write_bytes(image(photo))
    (folder / "anna" / ".hidden").write_bytes(b"x")
    (folder / "readme.txt").write_text("not a person")
    return folder


@pytest.fixture(params=["store", "service"])
def run(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command `collection`, on a store of its own or through a service."""
    monkeypatch.setattr(analyzers, "prepare_analyzer", lambda _: (fake_manifest(), NarrowAnalyzer, 2))
    where = (
        ["--collections", f"sqlite:{tmp_path / 'own'}"]
        if request.param == "store"
        else ["--service", request.getfixturevalue("url")]
    )

    def run_it(name: str, *arguments: str, status: int = 0, **options: Any) -> Result:
        result = CliRunner().invoke(main, ["collection", name, *where, *arguments], **options)
        assert result.exit_code == status, result.output + result.stderr
        return result

    return run_it
