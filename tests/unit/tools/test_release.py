"""The description of a release."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from devtools import ROOT, release

DOCKERFILE = (ROOT / "Dockerfile").read_text()
UV = ROOT / ".venv" / "tools" / "bin" / "uv"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with two files of a release."""
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "face_comparison-1.whl").write_bytes(b"a wheel")
    (tmp_path / "crd.yaml").write_text("kind: CustomResourceDefinition\n")
    return tmp_path


def test_images_match_the_dockerfile() -> None:
    found = {image.name: image for image in release.images(DOCKERFILE)}
    assert found.keys() == {"service", "service-gpu", "operator"}
    assert found["operator"].package == "face-comparison-operator"
    assert "cpu" in found["service"].extras
    assert "gpu" in found["service-gpu"].extras


def test_base_image_is_a_component_with_digest() -> None:
    base, other = release.with_base_image({"components": [{"name": "numpy"}]}, DOCKERFILE)["components"]
    assert base["type"] == "container"
    assert f"@sha256:{base['hashes'][0]['content']}\n" in DOCKERFILE
    assert other == {"name": "numpy"}


def test_base_image_without_a_digest_is_an_error() -> None:
    with pytest.raises(SystemExit, match="does not pin its base image"):
        release.with_base_image({"components": []}, "ARG BASE_IMAGE=docker.io/library/python:3.13\n")


@pytest.mark.skipif(not UV.exists(), reason="made by `make setup`")
def test_every_image_has_an_sbom_with_digests(tmp_path: Path) -> None:
    release.write_sbom(UV, tmp_path)
    lists = {path.name: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    assert lists.keys() == {f"{image.name}.cdx.json" for image in release.images(DOCKERFILE)}
    for bom in lists.values():
        assert bom["bomFormat"] == "CycloneDX"
        packages = [each for each in bom["components"] if each.get("purl", "").startswith("pkg:pypi/")]
        hashed = [each for each in packages if any(source["hashes"] for source in each.get("externalReferences", []))]
        assert hashed
        assert [each["name"] for each in packages if each not in hashed] == []
    names = {name: {each["name"] for each in bom["components"]} for name, bom in lists.items()}
    assert "onnxruntime" in names["service.cdx.json"]
    assert "onnxruntime-gpu" in names["service-gpu.cdx.json"]
    assert "kopf" in names["operator.cdx.json"] - names["service.cdx.json"]


def test_checksums_are_readable_by_sha256sum(made: Path) -> None:
    release.write_provenance(made)
    lines = (made / "SHA256SUMS").read_text().splitlines()
    assert [line.split("  ")[1] for line in lines] == ["crd.yaml", "python/face_comparison-1.whl"]
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=made, check=True, timeout=60)


def test_provenance_names_every_file_the_commit_and_the_inputs(made: Path) -> None:
    release.write_provenance(made)
    statement = json.loads((made / "provenance.intoto.json").read_text())
    assert {each["name"] for each in statement["subject"]} == {"crd.yaml", "python/face_comparison-1.whl"}
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    inputs = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert inputs[0]["digest"] == {"gitCommit": head.strip()}
    assert {each["uri"] for each in inputs[1:]} == {f"file:{name}" for name in release.MATERIALS}
    assert "unsigned" in statement["predicate"]["runDetails"]["builder"]["id"]


def test_provenance_names_the_addresses_in_the_packages(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With others, the same commit makes other bytes."""
    monkeypatch.delenv("PROJECT_DOCS", raising=False)
    monkeypatch.setenv("PROJECT_URL", "https://example.com/faces")
    release.write_provenance(made)
    statement = json.loads((made / "provenance.intoto.json").read_text())
    parameters = statement["predicate"]["buildDefinition"]["externalParameters"]
    assert parameters == {"target": "release", "PROJECT_URL": "https://example.com/faces"}


def test_provenance_names_the_builder(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDER_ID", "https://host.example/workflow")
    release.write_provenance(made)
    statement = json.loads((made / "provenance.intoto.json").read_text())
    assert statement["predicate"]["runDetails"]["builder"]["id"] == "https://host.example/workflow"


@pytest.mark.parametrize(
    ("given", "named"), [("", "localhost"), ("REGISTRY=registry.example.com", "registry.example.com")]
)
def test_image_names_use_the_given_registry(given: str, named: str) -> None:
    command = ["make", "--dry-run", "images", "CONTAINER=docker", *given.split()]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout
    assert f"name={named}/face-comparison/" in said


def test_registry_is_rejected_for_own_cluster() -> None:
    """It gets the container images that are built here."""
    command = ["make", "--dry-run", "cluster"]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout
    assert "local_cluster up" in said
    assert "--registry" not in said


def test_description_of_a_release_is_reproducible() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    one, other = (release.statement([], "0" * 40, [], "builder", moment) for _ in range(2))
    assert one == other


def test_release_requires_a_clean_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in (["init", "--quiet"], ["commit", "--quiet", "--allow-empty", "--message=first"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, timeout=60)
    monkeypatch.setattr(release, "ROOT", tmp_path)
    assert release.uncommitted() == ""
    (tmp_path / "new.py").touch()
    assert "new.py" in release.uncommitted()
