"""The tutorial's commands for clusters that the tests cannot start name what there is."""

from __future__ import annotations

import json
import re
import textwrap

import jsonschema
import pytest
import yaml

from devtools import ROOT
from support.crd import SPEC

PAGE = (ROOT / "docs" / "tutorial.md").read_text()
TARGETS = set(re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
CHART = ROOT / "charts" / "face-comparison"
SAMPLE = yaml.safe_load((ROOT / "manifests" / "samples" / "cpu.yaml").read_text())


def tab(name: str) -> str:
    """Returns the content of a tab of the page."""
    found = re.search(rf'^=== "{name}"\n\n((?:    .*\n|\n)+)', PAGE, re.MULTILINE)
    assert found is not None, f"the tutorial has no tab {name}"
    return textwrap.dedent(found[1])


@pytest.mark.parametrize(("cluster", "load"), [("kind", "kind load docker-image"), ("minikube", "minikube image load")])
def test_local_clusters_get_the_images_that_the_chart_uses(cluster: str, load: str) -> None:
    """By the names that `helm install` uses without a registry, so that nothing is pulled."""
    commands = tab(cluster)
    built = dict(re.findall(r"^docker build --target (\S+) -t (\S+) \.$", commands, re.MULTILINE))
    loaded = [name for line in re.findall(rf"^{load} (.*)$", commands, re.MULTILINE) for name in line.split()]
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert built == {each: f"localhost/face-comparison/{each}:{version}" for each in ("operator", "service")}
    assert set(built) <= TARGETS
    assert sorted(loaded) == sorted(built.values())
    assert "image.registry=${REGISTRY:-localhost}" in PAGE
    assert yaml.safe_load((CHART / "values.yaml").read_text())["image"]["pullPolicy"] == "IfNotPresent"


def test_service_without_ingress_controller_is_reached_at_its_port() -> None:
    section = PAGE.partition("### Reach it without an ingress controller")[2].partition("\n## ")[0]
    (name, patch) = re.findall(r"kubectl patch facecomparison (\S+) --type=merge --patch='(.*)'", section)[0]
    assert name == SAMPLE["metadata"]["name"]
    jsonschema.validate({**SAMPLE["spec"], **json.loads(patch)["spec"]}, SPEC)
    assert json.loads(patch) == {"spec": {"route": {"none": {}}}}
    ((service, here, there),) = re.findall(r"kubectl port-forward service/(\S+) (\d+):(\d+)", section)
    objects = yaml.safe_load_all((ROOT / "tests" / "golden" / "objects" / "minimal" / "desired.yaml").read_text())
    ports = [port["port"] for each in objects if each and each["kind"] == "Service" for port in each["spec"]["ports"]]
    assert (service, int(there) in ports) == (name, True)
    assert f"URL=http://127.0.0.1:{here}/prod/face_comparison\n" in section
