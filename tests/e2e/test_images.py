"""The container images as shipped: small, without build tools, for a numeric user, with a read-only root."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from devtools.local_cluster import images

pytestmark = [pytest.mark.node, pytest.mark.timeout(1800)]

TOOLS = {"gcc", "g++", "cc", "c++", "cc1", "ld", "make", "uv", "git"}


@pytest.fixture(params=["service", "operator"])
def image(built: list[images.Image], request: pytest.FixtureRequest) -> images.Image:
    """Each container image of this checkout."""
    return next(image for image in built if image.repository == request.param)


def configuration(archive: Path) -> dict[str, Any]:
    """Returns the configuration in the container image's archive."""
    with tarfile.open(archive) as outer:
        manifest = json.loads(read(outer, "manifest.json"))[0]
        found: dict[str, Any] = json.loads(read(outer, manifest["Config"]))["config"]
        return found


def read(outer: tarfile.TarFile, name: str) -> bytes:
    """Returns a file of an archive."""
    member = outer.extractfile(name)
    assert member is not None
    return member.read()


def content(archive: Path) -> dict[str, int]:
    """Returns every file of the layers with its size in bytes; later layers override earlier ones."""
    files: dict[str, int] = {}
    with tarfile.open(archive) as outer:
        for name in json.loads(read(outer, "manifest.json"))[0]["Layers"]:
            with tarfile.open(fileobj=outer.extractfile(name)) as layer:
                for member in layer:
                    if Path(member.name).name.startswith(".wh."):
                        files.pop(str(Path(member.name).with_name(Path(member.name).name.removeprefix(".wh."))), None)
                    elif member.isfile():
                        files[member.name.removeprefix("./")] = member.size
    return files


def test_small_and_without_build_tools(image: images.Image) -> None:
    files = content(image.archive)
    # The service's limit: HEIC and the PostgreSQL driver use the space that FFmpeg left.
    limit = {"service": 620e6, "operator": 200e6}[image.repository]
    assert sum(files.values()) < limit
    assert image.archive.stat().st_size < limit
    assert sorted(path for path in files if path.split("/")[-1] in TOOLS) == []
    assert sorted(path for path in files if path.startswith(("root/.cache/", "tmp/", "src/"))) == []
    if image.repository == "service":
        assert any(path.startswith("opt/bundles/") for path in files)  # the models are in the container image


def test_runs_as_numeric_user_without_telemetry(image: images.Image) -> None:
    config = configuration(image.archive)
    assert config["User"] == "65532:65532"
    if image.repository == "service":
        assert "ORT_DISABLE_TELEMETRY=1" in config["Env"]
        assert config["Entrypoint"] == ["face-comparison"]


def test_new_version_is_a_small_layer(image: images.Image) -> None:
    """The last layer contains this product's package, compiled; its dependencies are in the layers below."""
    with tarfile.open(image.archive) as outer:
        last = outer.extractfile(json.loads(read(outer, "manifest.json"))[0]["Layers"][-1])
        with tarfile.open(fileobj=last) as layer:
            files = {member.name: member.size for member in layer if member.isfile()}
    package = "face_comparison" if image.repository == "service" else "face_comparison_operator"
    own = {path.split("/site-packages/")[1].split("/")[0] for path in files if "/site-packages/" in path}
    assert {name.partition("-")[0] for name in own} == {package}
    assert any(path.endswith(f"/{package}/__pycache__/__init__.cpython-313.pyc") for path in files)
    assert f"opt/face-comparison/bin/{package.replace('_', '-')}" in files
    assert sum(files.values()) < 6e6


@pytest.fixture
def builder(built: list[images.Image], tmp_path: Path, sources: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A builder with only a base in its store, and a checkout whose operator image is one file."""
    del built  # which also installs the builder
    monkeypatch.setattr(images, "cache", lambda: tmp_path / "cache")
    (sources / "Dockerfile").write_text("FROM scratch AS operator\nCOPY operator/src/b.py /\n")
    images._buildah("commit", "--quiet", "--rm", images._buildah("from", "scratch").strip(), images.BASE)
    return sources


def build_of(builder: Path, content: str) -> images.Image:
    (builder / "operator" / "src" / "b.py").write_text(content)
    return images.build("operator", root=builder)


def test_builder_removes_layers_of_earlier_builds(builder: Path) -> None:
    tags = [build_of(builder, content).tag for content in ("first", "second", "third")]
    assert kept() == sorted(tags[1:])


def test_leftovers_of_interrupted_builds_are_removed(builder: Path) -> None:
    """A container, which would keep an earlier build's layers, and a partial archive."""
    first = build_of(builder, "first")
    images._buildah("from", "--pull-never", first.name)
    half = first.archive.with_suffix(".unfinished")
    half.write_bytes(b"half")
    tags = [build_of(builder, content).tag for content in ("second", "third")]
    assert kept() == sorted(tags)
    assert not half.exists()


def kept() -> list[str]:
    """Returns the tags in the builder's store, except the base."""
    tags = images._buildah("images", "--all", "--format", "{{.Tag}}").split()
    return sorted(tag for tag in tags if not images.BASE.endswith(tag))
