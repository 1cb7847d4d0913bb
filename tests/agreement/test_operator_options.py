"""The chart sets options that the operator has, and opens the ports that it listens on."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
import yaml

from devtools.chart_manifests import MANIFESTS
from face_comparison_operator.settings import PREFIX, Settings, environment_name
from support.crd import DEFINITION

# The chart excludes its own namespace.
LEFT_TO_THE_OPERATOR = {f"{PREFIX}LEASE_NAMESPACE"}
INSTALLED = [each for each in yaml.safe_load_all((MANIFESTS / "install.yaml").read_text()) if each]


@pytest.fixture
def pod() -> dict[str, Any]:
    (deployment,) = [each for each in INSTALLED if each["kind"] == "Deployment"]
    return deployment["spec"]["template"]["spec"]


def test_variables_are_options(pod: dict[str, Any]) -> None:
    environment = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
    assert environment.keys() == {environment_name(option) for option in fields(Settings)} - LEFT_TO_THE_OPERATOR
    default = Settings()
    on_gpus = default.service_image.replace("service:", "service-gpu:")
    assert Settings.from_environ(environment) == replace(default, service_gpu_image=on_gpus)


def test_chart_ports_match_the_operator(pod: dict[str, Any]) -> None:
    ports = {each["name"]: each["containerPort"] for each in pod["containers"][0]["ports"]}
    assert ports == {"metrics": Settings().metrics_port, "health": Settings().health_port}


def test_role_names_the_lease_of_the_operator() -> None:
    (role,) = [each for each in INSTALLED if each["kind"] == "Role"]
    assert [rule["resourceNames"] for rule in role["rules"] if "resourceNames" in rule] == [[Settings().lease_name]]


def test_manifest_crd_equals_chart_crd() -> None:
    (installed,) = [each for each in INSTALLED if each["kind"] == "CustomResourceDefinition"]
    assert installed["spec"] == DEFINITION["spec"]
