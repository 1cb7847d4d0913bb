"""The model is fetched when a command first needs it, with a bar; a service that starts fetches nothing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from face_comparison.cli import analyzers, downloads
from face_comparison.errors import InvalidBundle, ModelDownloadFailed
from face_comparison.models import bundle_store, loader, published
from face_comparison.settings import Settings
from face_comparison.vision.bundle import Bundle, Origin, Source

Progress = Callable[[str, int, int], None]


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What is fetched into the empty folder of bundles; it comes from this machine's cache, not from the network."""
    kept = bundle_store.ensure_bundle("default", bundle_store.bundles_folder())
    names: list[str] = []

    def fetch(name: str, folder: Path, progress: Progress = published.ignore_progress) -> Bundle:
        names.append(name)
        for received in (0, 400, 1000):
            progress("model.onnx", received, 1000)
        shutil.copytree(kept.folder, folder / kept.manifest.version)
        return kept

    monkeypatch.setattr(bundle_store, "ensure_bundle", fetch)
    monkeypatch.setenv("FACE_COMPARISON_BUNDLES", str(tmp_path / "bundles"))
    return names


def test_command_fetches_missing_model(fetched: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    first = analyzers.open_bundle(Settings())
    said = capsys.readouterr()
    assert (fetched, said.out) == (["default"], "")
    assert "fetching the model, once" in said.err
    assert "model.onnx" in said.err
    assert analyzers.open_bundle(Settings()).digest == first.digest
    assert analyzers.open_bundle(Settings(bundle=first.manifest.version)).digest == first.digest
    assert (fetched, capsys.readouterr().err) == (["default"], "")


@pytest.mark.parametrize("name", ["./nowhere", "no-such-bundle", "yunet-sface-1"])
def test_only_fetchable_bundles_are_fetched(fetched: list[str], name: str) -> None:
    with pytest.raises(InvalidBundle):
        analyzers.open_bundle(Settings(bundle=name))
    assert fetched == []


@pytest.mark.parametrize("name", ["default", "yunet-sface-int8"])
def test_service_start_fetches_nothing(fetched: list[str], tmp_path: Path, name: str) -> None:
    how = "models fetch" if name == "default" else f"models fetch {name}"
    with pytest.raises(InvalidBundle, match=f"face-comparison {how}`"):
        loader.open_configured_bundle(Settings(bundle=name), tmp_path / "bundles")
    assert fetched == []


PIP = """
import sys
print("Collecting it")
for received in (10, 60, 100):
    print(f"Progress {received} of 100", flush=True)
print("ERROR: no such package" if sys.argv[1] == "1" else "Saved it", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


def test_progress_bar_follows_pip() -> None:
    told: list[tuple[int, int]] = []
    published._run_pip([sys.executable, "-c", PIP, "0"], lambda *received: told.append(received))
    assert told == [(10, 100), (60, 100), (100, 100)]


def test_pip_error_is_reported() -> None:
    with pytest.raises(OSError, match="pip could not download it: ERROR: no such package"):
        published._run_pip([sys.executable, "-c", PIP, "1"], lambda received, total: None)


def test_hung_pip_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "FETCH_SECONDS", 0.2)
    with pytest.raises(OSError, match=r"not within 0\.2 s"):
        published._run_pip([sys.executable, "-c", "import time; time.sleep(60)"], lambda received, total: None)


def test_file_with_wrong_digest_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"other")
    origin = Origin(project="x", file="model.onnx", sha256="0" * 64, sources=(Source(path="model.onnx"),), color="RGB")
    with pytest.raises(ModelDownloadFailed, match=r"expected sha256 0{64}, found"):
        published.fetch_origin(origin, tmp_path)


def test_progress_bar_per_file(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def command() -> None:
        monkeypatch.setattr("sys.stderr.isatty", lambda: True)
        with downloads.bars() as progress:
            for name in ("one.onnx", "other.onnx"):
                for received in range(0, 101, 50):
                    progress(name, received, 100)

    shown = CliRunner().invoke(command)
    assert shown.exit_code == 0, shown.exception
    assert shown.stdout == ""
    for name in ("one.onnx", "other.onnx"):
        assert name in shown.stderr
    assert "100%" in shown.stderr
