"""The command exports collections and imports them."""

from __future__ import annotations

import codecs
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from face_comparison.cli import analyzers
from face_comparison.cli.collection.access import LocalCollections, RemoteCollections
from support.analyzer import NarrowAnalyzer
from support.fake_manifest import fake_manifest


def test_command_moves_collection(run: Callable[..., Result], people: Path, tmp_path: Path) -> None:
    run("enroll", str(people), "--collection", "staff")
    out = tmp_path / "staff.ndjson"
    exported = run("export", "--collection", "staff", "--out", str(out))
    assert "exporting" in exported.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert run("export", "--collection", "staff").stdout_bytes == out.read_bytes()
    assert len(out.read_bytes().splitlines()) == 4
    assert run("import", str(out), "--collection", "copy").stdout == "4 imported, 0 unchanged, 0 failed\n"
    bad = out.read_bytes() + b"{bad\n"
    result = run("import", "-", "--collection", "copy", status=2, input=bad)
    assert result.stdout == "0 imported, 4 unchanged, 1 failed\n"
    assert result.stderr.startswith("line 5: ")
    assert "not_found" in run("export", "--collection", "none", status=2).stderr


def test_failed_export_leaves_no_file(
    run: Callable[..., Result], people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("enroll", str(people), "--collection", "staff")
    folder = tmp_path / "out"
    folder.mkdir()
    out = folder / "staff.ndjson"
    out.write_text("an earlier export")
    out.chmod(0o644)
    run("export", "--collection", "none", "--out", str(out), status=2)
    assert out.read_text() == "an earlier export"
    for kind in (LocalCollections, RemoteCollections):
        monkeypatch.setattr(kind, "export", lambda *_: iter([b"{}", *iter(_break, None)]))
    run("export", "--collection", "staff", "--out", str(out), status=130)
    assert out.read_text() == "an earlier export"
    monkeypatch.undo()
    monkeypatch.setattr(analyzers, "prepare_analyzer", lambda _: (fake_manifest(), NarrowAnalyzer, 2))
    run("export", "--collection", "staff", "--out", str(out))
    assert len(out.read_text().splitlines()) == 4
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert list(folder.iterdir()) == [out]


def _break() -> None:
    raise KeyboardInterrupt


def test_export_follows_links_and_pipes(run: Callable[..., Result], people: Path, tmp_path: Path) -> None:
    run("enroll", str(people), "--collection", "staff")
    target, link = tmp_path / "real.ndjson", tmp_path / "link.ndjson"
    link.symlink_to(target)
    run("export", "--collection", "staff", "--out", str(link))
    assert link.is_symlink() and len(target.read_bytes().splitlines()) == 4
    run("export", "--collection", "staff", "--out", "/dev/null")
    assert Path("/dev/null").is_char_device()


def test_import_accepts_edited_export(run: Callable[..., Result], people: Path, tmp_path: Path) -> None:
    run("enroll", str(people), "--collection", "staff")
    lines = run("export", "--collection", "staff").stdout_bytes.splitlines()
    edited = tmp_path / "edited.ndjson"
    edited.write_bytes(codecs.BOM_UTF8 + b"\r\n\r\n".join(lines) + b"\r\n" + lines[0][:100])
    result = run("import", str(edited), "--collection", "copy", status=2)
    assert result.stdout == "4 imported, 0 unchanged, 1 failed\n"
    assert result.stderr.splitlines()[-1].startswith("line 8: ")
