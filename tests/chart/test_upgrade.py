"""Upgrades from every chart in releases/: published ones and, before that, the first that could be installed.

At each release, `helm package charts/face-comparison --destination tests/chart/releases` adds one.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devtools.helm import CHART, REGISTRY, RELEASE, Helm
from devtools.k8s.controlplane import ControlPlane

PACKAGES = sorted((Path(__file__).parent / "releases").glob("*.tgz"))
DEFINITION = "facecomparisons.facecomparison.dev"
EARLIER = pytest.mark.parametrize("earlier", PACKAGES, ids=lambda path: path.stem)


def get(plane: ControlPlane, namespace: str, *what: str) -> dict[str, Any]:
    return json.loads(plane.kubectl("get", *what, f"--namespace={namespace}", "-o=json"))


def test_earlier_chart_exists() -> None:
    assert PACKAGES


@pytest.mark.cluster
@EARLIER
def test_upgrade_keeps_the_resources(plane: ControlPlane, releases: Helm, restricted: str, earlier: Path) -> None:
    first = "--set=faceComparison.create=true,faceComparison.spec.accelerator.type=cpu"
    releases.install(restricted, first, chart=earlier)
    mine = {"apiVersion": "facecomparison.dev/v1alpha1", "kind": "FaceComparison", "metadata": {"name": "mine"}}
    plane.kubectl("create", f"--namespace={restricted}", "-f", "-", stdin=json.dumps(mine))
    names = (RELEASE, "mine")
    before = [get(plane, restricted, "facecomparison", name) for name in names]

    releases.upgrade(restricted, "--reset-then-reuse-values", wait=False)  # not ready without an operator

    after = [get(plane, restricted, "facecomparison", name) for name in names]
    assert [each["metadata"]["uid"] for each in after] == [each["metadata"]["uid"] for each in before]
    for old, new in zip(before, after, strict=True):
        assert keeps(old["spec"], new["spec"])
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    (container,) = get(plane, restricted, "deployment", RELEASE)["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"{REGISTRY}/face-comparison/operator:{version}"


@pytest.mark.cluster
def test_upgrade_upgrades_the_definition(plane: ControlPlane, releases: Helm, restricted: str, tmp_path: Path) -> None:
    older = Path(shutil.copytree(CHART, tmp_path / "older"))
    definition = yaml.safe_load((older / "files" / "crd.yaml").read_text())
    del schema_of(definition)["properties"]["spec"]["properties"]["deployDeadlineSeconds"]
    (older / "files" / "crd.yaml").write_text(yaml.safe_dump(definition))
    releases.install(restricted, chart=older)
    assert "spec.deployDeadlineSeconds" not in fields(schema_of(get(plane, restricted, "crd", DEFINITION)))

    releases.upgrade(restricted)

    assert "spec.deployDeadlineSeconds" in fields(schema_of(get(plane, restricted, "crd", DEFINITION)))


@EARLIER
def test_crd_fields_are_never_removed(earlier: Path) -> None:
    with tarfile.open(earlier) as package:
        content = package.extractfile("face-comparison/files/crd.yaml")
        assert content
        before = set(fields(schema_of(yaml.safe_load(content))))
    assert before - set(fields(schema_of(yaml.safe_load((CHART / "files" / "crd.yaml").read_text())))) == set()


def keeps(old: Any, new: Any) -> bool:
    """Returns whether `new` contains everything in `old`; it may have more defaults at any depth."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(name in new and keeps(value, new[name]) for name, value in old.items())
    return bool(old == new)


def schema_of(definition: dict[str, Any]) -> dict[str, Any]:
    """Returns the schema of a CRD's only version."""
    (version,) = definition["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]


def fields(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Returns the dotted path of every field below a schema, including those of list items."""
    for name, field in schema.get("items", schema).get("properties", {}).items():
        yield f"{path}{name}"
        yield from fields(field, f"{path}{name}.")
