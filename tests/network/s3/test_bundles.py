"""Model bundles from S3 are verified and kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from face_comparison.models import bundle_store
from face_comparison.vision.bundle import Bundle
from support.s3 import configure


@pytest.fixture(scope="module")
def stored(admin: Any) -> Bundle:
    """The default bundle, below `s3://other/served`, as it was put there."""
    created = bundle_store.ensure_bundle("default", bundle_store.bundles_folder())
    for path in (created.folder / "manifest.json", created.detector, created.embedder):
        admin.put_object(Bucket="other", Key=f"served/{path.name}", Body=path.read_bytes())
    damaged = created.embedder.read_bytes()[:-1]
    for path in (created.folder / "manifest.json", created.detector):
        admin.put_object(Bucket="other", Key=f"damaged/{path.name}", Body=path.read_bytes())
    admin.put_object(Bucket="other", Key=f"damaged/{created.embedder.name}", Body=damaged)
    return created


def models(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "face_comparison", "models", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_bundle_is_downloaded_verified_and_kept(
    endpoint: str, stored: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configure(monkeypatch, endpoint)
    into = tmp_path / "models" / "bundle"
    done = models("fetch", "s3://other/served", "--sha256", stored.digest, "--into", into)
    assert (done.returncode, done.stderr) == (0, "")
    assert models("verify", into, "--sha256", stored.digest).returncode == 0
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")  # a container that restarts needs no S3
    assert models("fetch", "s3://other/served", "--sha256", stored.digest, "--into", into).returncode == 0
    assert [path.name for path in into.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize(
    ("uri", "digest", "message"),
    [
        ("s3://other/missing", None, "model_download_failed: there are no objects below s3://other/missing/"),
        ("s3://nowhere/served", None, "model_download_failed: "),
        ("s3://other/damaged", None, "invalid_bundle: "),
        ("s3://other/served", "0" * 64, "invalid_bundle: "),
    ],
)
def test_bundle_that_fails_verification_is_not_kept(
    endpoint: str,
    stored: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    uri: str,
    digest: str | None,
    message: str,
) -> None:
    configure(monkeypatch, endpoint)
    done = models("fetch", uri, *(["--sha256", digest] if digest else []), "--into", tmp_path / "bundle")
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    if message.startswith("invalid_bundle"):
        assert (digest or stored.manifest.embedder.sha256) in done.stderr
    assert not list(tmp_path.iterdir())


def test_verify_detects_wrong_digest(stored: Bundle) -> None:
    done = models("verify", stored.folder, "--sha256", "f" * 64)
    assert done.returncode == 2
    assert done.stderr.startswith("invalid_bundle: ")
    assert stored.digest in done.stderr


def test_folder_is_required_for_s3_bundle_only(tmp_path: Path) -> None:
    assert "--into DIR" in models("fetch", "s3://other/served").stderr
    assert "FACE_COMPARISON_BUNDLES" in models("fetch", "default", "--into", tmp_path).stderr
