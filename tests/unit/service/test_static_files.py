"""Files as they are sent."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from face_comparison.web.static_files import static_file, static_files


def test_serves_folder(tmp_path: Path) -> None:
    (tmp_path / "js").mkdir()
    (tmp_path / "index.html").write_text("<p>" * 100)
    (tmp_path / "js/main.js").write_text("run()")
    (tmp_path / "js/large.js.gz").write_bytes(gzip.compress(b"large()"))
    (tmp_path / "notes.md").write_text("not served")
    files = static_files(tmp_path)
    assert set(files) == {"index.html", "js/main.js", "js/large.js"}
    page = files["index.html"]
    assert page.content == b"<p>" * 100
    assert page.media_type == "text/html; charset=utf-8"
    assert page.gzipped is not None
    assert gzip.decompress(page.gzipped) == page.content
    assert len(page.gzipped) < len(page.content)


def test_precompressed_file_is_sent_unchanged(tmp_path: Path) -> None:
    (tmp_path / "x.css.gz").write_bytes(gzip.compress(b"p {}"))
    file = static_files(tmp_path)["x.css"]
    assert file.content == b"p {}"
    assert file.gzipped == (tmp_path / "x.css.gz").read_bytes()
    assert file.media_type == "text/css; charset=utf-8"


def test_etag_depends_on_content() -> None:
    one, same, other = (static_file("x.js", content).etag for content in (b"1", b"1", b"2"))
    assert one == same != other


def test_replicas_send_equal_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    for now in (1_000_000_000.0, 2_000_000_000.0):
        monkeypatch.setattr("time.time", lambda now=now: now)
        sent.append(static_file("x.js", b"run()").gzipped)
    assert sent[0] == sent[1]


def test_photographs_are_not_compressed() -> None:
    assert static_file("x.jpg", b"\xff\xd8").gzipped is None


def test_unknown_file_type() -> None:
    with pytest.raises(KeyError):
        static_file("x.exe", b"")
