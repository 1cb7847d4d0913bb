"""The container images that the chart names."""

import pytest
import yaml

from devtools.helm import CHART, EVERY_OPTION, REGISTRY, Helm, HelmFailed
from support.rendered import container, variables


class TestImages:
    def test_default_to_the_version_of_the_chart(self, helm: Helm) -> None:
        version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
        objects = helm.template()
        images = f"{REGISTRY}/face-comparison"
        assert container(objects)["image"] == f"{images}/operator:{version}"
        assert variables(objects)["FACE_COMPARISON_OPERATOR_SERVICE_IMAGE"] == f"{images}/service:{version}"
        assert variables(objects)["FACE_COMPARISON_OPERATOR_SERVICE_GPU_IMAGE"] == f"{images}/service-gpu:{version}"

    @pytest.mark.parametrize("registry", ["", "team", "team/more"])
    def test_without_a_registry_are_an_error(self, helm: Helm, registry: str) -> None:
        """A container runtime completes such a name with a public registry, where anybody may own it."""
        with pytest.raises(HelmFailed, match="does not include a registry"):
            helm.template(f"--set-string=image.registry={registry}")

    @pytest.mark.parametrize("key", ["operator", "service", "serviceGpu"])
    def test_each_must_have_a_registry(self, helm: Helm, key: str) -> None:
        named = {each: f"registry.example.com/{each.lower()}" for each in ("operator", "service", "serviceGpu")}
        without = {**named, key: "team/faces"}
        helm.template(
            "--set=image.registry=", *(f"--set=image.{each}.repository={name}" for each, name in named.items())
        )
        with pytest.raises(HelmFailed, match='"team/faces" does not include a registry'):
            helm.template(
                "--set=image.registry=", *(f"--set=image.{each}.repository={name}" for each, name in without.items())
            )

    @pytest.mark.parametrize("registry", ["localhost", "registry:5000/team", "10.0.0.1"])
    def test_may_be_in_any_registry(self, helm: Helm, registry: str) -> None:
        assert container(helm.template(f"--set-string=image.registry={registry}"))["image"].startswith(f"{registry}/")

    def test_can_be_pinned_by_digest_in_a_registry(self, helm: Helm) -> None:
        objects = helm.template("--values", EVERY_OPTION)
        assert container(objects)["image"] == f"registry.example.com/team/operators/faces:1.2.3@sha256:{'1' * 64}"
        service = variables(objects)["FACE_COMPARISON_OPERATOR_SERVICE_IMAGE"]
        assert service == f"registry.example.com/team/services/faces:4.5.6@sha256:{'2' * 64}"
        on_gpus = variables(objects)["FACE_COMPARISON_OPERATOR_SERVICE_GPU_IMAGE"]
        assert on_gpus == f"registry.example.com/team/services/faces-gpu:7.8.9@sha256:{'3' * 64}"

    def test_trailing_slash_of_registry_is_ignored(self, helm: Helm) -> None:
        image = container(helm.template("--set=image.registry=registry.example.com/"))["image"]
        assert image.startswith(f"{REGISTRY}/face-comparison/operator:")
