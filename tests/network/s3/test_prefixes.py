"""Prefixes are downloaded to folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from face_comparison.errors import (
    FaceComparisonError,
    UrlFetchFailed,
    UrlNotAllowed,
)
from face_comparison.fetching.s3 import download_prefix
from support.s3 import IMAGE, configure

BUNDLE = {"manifest.json": b"{}", "detector.onnx": IMAGE * 100, "licences/MIT.txt": b"MIT"}


@pytest.fixture(scope="module")
def bundle(admin: Any) -> None:
    """A prefix `models/face` in the bucket `other`, beside one whose name only begins alike."""
    for name, body in BUNDLE.items():
        admin.put_object(Bucket="other", Key=f"models/face/{name}", Body=body)
    admin.put_object(Bucket="other", Key="models/face/empty/", Body=b"")
    admin.put_object(Bucket="other", Key="models/face-old/manifest.json", Body=b"old")


@pytest.mark.parametrize("uri", ["s3://other/models/face", "s3://other/models/face/"])
@pytest.mark.usefixtures("bundle")
def test_prefix_is_downloaded_to_folder(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uri: str
) -> None:
    configure(monkeypatch, endpoint)
    into = tmp_path / "new" / "bundle"
    written = download_prefix(uri, into)
    assert {path.relative_to(into).as_posix(): path.read_bytes() for path in written} == BUNDLE
    assert sorted(written) == sorted(path for path in into.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("s3://other/models/missing", UrlFetchFailed),
        ("s3://other/models/fac", UrlFetchFailed),
        ("s3://nowhere/models", UrlFetchFailed),
        ("https://other/models", UrlNotAllowed),
        ("s3://other/../images", UrlNotAllowed),
    ],
)
@pytest.mark.usefixtures("bundle")
def test_missing_prefix_is_reported(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uri: str, error: type[FaceComparisonError]
) -> None:
    configure(monkeypatch, endpoint)
    with pytest.raises(error):
        download_prefix(uri, tmp_path)
    assert list(tmp_path.iterdir()) == []
