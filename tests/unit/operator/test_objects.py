"""What the operator makes, as whole objects, against the golden files; and what must hold for each of them."""

from __future__ import annotations

import msgspec
import pytest

from devtools import golden_objects
from face_comparison_operator.api_resources import CHILDREN, kind_of
from face_comparison_operator.objects import desired
from face_comparison_operator.resource import child_name, parse
from face_comparison_operator.settings import Settings


@pytest.mark.parametrize("case", golden_objects.cases())
def test_objects_are_the_golden_ones(case: str) -> None:
    assert golden_objects.made(case) == golden_objects.expected(case), "`make golden` and look at the difference"


@pytest.mark.parametrize("case", golden_objects.cases())
def test_every_object_belongs_to_its_resource(case: str) -> None:
    body = golden_objects.resource(case)
    for made in golden_objects.made(case):
        (owner,) = made["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == (body["metadata"]["uid"], True)
        assert made["metadata"]["namespace"] == body["metadata"]["namespace"]
        assert made["metadata"]["name"] == child_name(body["metadata"]["name"])
        assert kind_of(made) in CHILDREN


def test_the_cases_cover_every_kind_of_child() -> None:
    kinds = {kind_of(made) for case in golden_objects.cases() for made in golden_objects.made(case)}
    assert kinds == set(CHILDREN)


def _deployment(**spec: object) -> dict:
    body = golden_objects.resource("minimal")
    found = desired(parse({**body, "spec": spec}), golden_objects.SETTINGS)
    return next(each for each in found if each["kind"] == "Deployment")


def test_an_autoscaler_owns_the_number_of_replicas() -> None:
    assert _deployment(replicas=3)["spec"]["replicas"] == 3
    assert _deployment()["spec"]["replicas"] == 1
    assert "replicas" not in _deployment(autoscaling={})["spec"]


def test_zero_replicas_is_not_taken_for_the_default() -> None:
    assert _deployment(replicas=0)["spec"]["replicas"] == 0


def test_a_pod_ends_after_its_last_request_could() -> None:
    pod = _deployment(limits={"requestSeconds": 77})["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    env = {variable["name"]: variable.get("value") for variable in container["env"]}
    leaving = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > leaving + int(env["FACE_COMPARISON_DRAIN_SECONDS"])
    assert env["FACE_COMPARISON_DRAIN_SECONDS"] == env["FACE_COMPARISON_REQUEST_SECONDS"] == "77"


def test_the_templates_digest_changes_with_the_pods_and_only_with_them() -> None:
    def digest(**spec: object) -> str:
        return _deployment(**spec)["spec"]["template"]["metadata"]["annotations"]["facecomparison.dev/template"]

    assert digest() == digest(replicas=4, route={"host": "other.example.com"}, networkPolicy=True)
    assert len({digest(), digest(stage="v2"), digest(podLabels={"a": "b"}), digest(podAnnotations={"a": "b"})}) == 4


def test_building_changes_nothing_of_what_it_was_given() -> None:
    resource = parse(golden_objects.resource("everything"))
    before = msgspec.json.encode(resource)
    desired(resource, golden_objects.SETTINGS)
    assert msgspec.json.encode(resource) == before


def test_the_pods_satisfy_the_restricted_pod_security_level() -> None:
    pod = next(each for each in golden_objects.made("everything") if each["kind"] == "Deployment")["spec"]["template"][
        "spec"
    ]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    # Clusters that choose the user (OpenShift) reject a pod that names another; the container image has a numeric one.
    assert pod["securityContext"].keys() == {"runAsNonRoot", "seccompProfile"}
    containers = [*pod["containers"], *pod["initContainers"]]
    assert len(containers) == 2
    for container in containers:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize(
    ("accelerator", "image", "expected"),
    [("gpu", None, "for-gpu"), ("cpu", None, "for-cpu"), ("gpu", "own", "own"), ("cpu", "own", "own")],
)
def test_the_image_fits_the_accelerator_unless_the_resource_names_one(
    accelerator: str, image: str | None, expected: str
) -> None:
    body = golden_objects.resource("minimal")
    spec = {"accelerator": {"type": accelerator}, "image": image}
    settings = Settings(service_image="for-cpu", service_gpu_image="for-gpu")
    made = {each["kind"]: each for each in desired(parse({**body, "spec": spec}), settings)}
    (container,) = made["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == expected
