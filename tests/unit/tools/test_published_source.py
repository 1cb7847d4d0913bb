"""The addresses of a published release, in packages and chart."""

from __future__ import annotations

import email
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from devtools import ROOT, published_source

TOOLS = ROOT / ".venv" / "tools" / "bin"
HOME, DOCS = "https://example.com/face-comparison", "https://example.com/docs/"
CHART = Path("charts/face-comparison")


def test_without_an_address_the_folder_itself_is_built(tmp_path: Path) -> None:
    assert published_source.published(Path("service"), tmp_path, "", "") == Path("service")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["service", "operator", "client"])
def test_package_gets_the_addresses_and_keeps_the_rest(package: str) -> None:
    text = (ROOT / package / "pyproject.toml").read_text()
    before, after = tomllib.loads(text), tomllib.loads(published_source.with_urls(text, HOME, DOCS))
    assert after["project"].pop("urls") == {
        "Homepage": HOME, "Documentation": DOCS, "Changelog": "https://example.com/docs/changelog/",
    }  # fmt: skip
    assert after == before
    assert "urls" not in before["project"]  # nothing is named that nobody has


def test_chart_gets_its_home(tmp_path: Path) -> None:
    copy = published_source.published(ROOT / CHART, tmp_path, HOME, "")
    before, after = (yaml.safe_load((folder / "Chart.yaml").read_text()) for folder in (ROOT / CHART, copy))
    assert after == {**before, "home": HOME, "sources": [HOME]}
    names = {path.relative_to(copy) for path in copy.rglob("*")}
    assert names == {path.relative_to(ROOT / CHART) for path in (ROOT / CHART).rglob("*")}


def test_wheel_and_source_archive_have_the_addresses(tmp_path: Path) -> None:
    """The client's, whose files are links; a wheel made of the archive later has them, too."""
    command = [sys.executable, str(ROOT / "devtools/src/devtools/published_source.py"), str(ROOT / "client")]
    command += ["--copies", str(tmp_path / "copies"), "--home", HOME]
    folder = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    for target in ("sdist", "wheel"):
        build = [str(TOOLS / "hatchling"), "build", "--target", target, "--directory", str(tmp_path)]
        subprocess.run(build, cwd=folder, check=True, capture_output=True, timeout=120)
    (wheel,), (archive,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as opened:
        (name,) = [each for each in opened.namelist() if each.endswith("/METADATA")]
        described = email.message_from_bytes(opened.read(name))
        assert "face_comparison_client/client/connection.py" in opened.namelist()
    assert described.get_all("Project-URL") == [f"Homepage, {HOME}"]
    with tarfile.open(archive) as source:
        (name,) = [each for each in source.getnames() if each.endswith("/pyproject.toml")]
        file = source.extractfile(name)
        assert file is not None
        assert tomllib.loads(file.read().decode())["project"]["urls"] == {"Homepage": HOME}


@pytest.mark.parametrize("wrong", ["example.com", "ftp://example.com", "javascript:alert(1)"])
def test_address_that_is_no_url_is_rejected(wrong: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "devtools/src/devtools/published_source.py"), str(ROOT / "client")]
    command += ["--copies", str(tmp_path), "--home", wrong]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert "is not a URL" in ended.stderr
