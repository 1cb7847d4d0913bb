"""The service has the options that the operator sets, and accepts their values at every bound of the schema."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

import pytest

from face_comparison.settings import Settings as ServiceSettings
from face_comparison_operator import objects, resource
from face_comparison_operator.settings import Settings as OperatorSettings
from face_comparison_operator.stage_migration import FORMER_STAGE, with_stage_migration
from support.crd import SPEC

EVERYTHING: dict[str, Any] = {
    "auth": {"mode": "ApiKey", "secretName": "keys"},
    "limits": {"maxSide": 8192, "allowedHosts": ["10.0.0.0/8", "images.internal"], "allowedBuckets": ["images"]},
}


def environment(spec: dict[str, Any]) -> dict[str, str]:
    """Returns the environment of the service's container for a spec."""
    metadata = {"name": "faces", "namespace": "default", "uid": "1"}
    return environment_of(resource.parse({"metadata": metadata, "spec": spec}))


def environment_of(wanted: resource.FaceComparison) -> dict[str, str]:
    """Returns the environment of the service's container for a resource."""
    children = objects.desired(wanted, OperatorSettings())
    (deployment,) = [each for each in children if each["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"]}


def bounds() -> Iterator[Any]:
    for name, field in SPEC["properties"]["limits"]["properties"].items():
        for bound in ("minimum", "maximum"):
            if bound in field:
                yield pytest.param({"limits": {name: field[bound]}}, id=f"{name} {bound}")
    for mode in SPEC["properties"]["auth"]["properties"]["mode"]["enum"]:
        secret = {} if mode == "None" else {"secretName": "keys"}
        yield pytest.param({"auth": {"mode": mode, **secret}}, id=f"auth {mode}")
    for accelerator in SPEC["properties"]["accelerator"]["properties"]["type"]["enum"]:
        yield pytest.param({"accelerator": {"type": accelerator}}, id=accelerator)
    yield pytest.param({"stage": "a" * SPEC["properties"]["stage"]["maxLength"]}, id="longest stage")
    yield pytest.param(EVERYTHING, id="everything")
    yield pytest.param({"collections": {"embedded": {"volumeClaim": {"claimName": "faces"}}}}, id="embedded store")
    yield pytest.param({"collections": {"postgres": {"secretName": "db"}}}, id="PostgreSQL")


@pytest.mark.parametrize("spec", list(bounds()))
def test_service_accepts_variables_set_by_operator(spec: dict[str, Any]) -> None:
    ServiceSettings.from_environ(environment(spec))


def test_service_settings_follow_the_resource() -> None:
    settings = ServiceSettings.from_environ(
        environment(
            {
                "stage": "v2",
                "accelerator": {"type": "cpu"},
                "auth": {"mode": "ApiKey", "secretName": "keys"},
                "model": {"bundle": "other"},
                "limits": {
                    "bodyBytes": 4096,
                    "requestSeconds": 7,
                    "queue": 9,
                    "allowedHosts": ["images.internal", "10.0.0.0/8"],
                    "allowedBuckets": ["images"],
                },
            }
        )
    )
    assert (settings.stage, settings.device, settings.auth, settings.bundle) == ("v2", "cpu", "api-key", "other")
    assert (settings.max_body_bytes, settings.request_seconds, settings.queue) == (4096, 7, 9)
    assert settings.allowed_hosts == ("images.internal", "10.0.0.0/8")
    assert settings.allowed_buckets == ("images",)


def test_gpu_never_falls_back_to_cpu() -> None:
    assert ServiceSettings.from_environ(environment({})).device == "cuda"


def test_resource_defaults_match_the_service() -> None:
    reported, own = ServiceSettings.from_environ(environment({})), ServiceSettings.from_environ({})
    assert reported.host == "::", "pods of clusters with IPv6 alone have no other address"
    same = ("port", "stage", "bundle", "auth", "max_body_bytes", "request_seconds", "queue")
    assert {name: getattr(reported, name) for name in same} == {name: getattr(own, name) for name in same}


def test_env_of_the_resource_cannot_contradict_its_other_fields() -> None:
    (rule,) = SPEC["properties"]["env"]["x-kubernetes-validations"]
    stores = ({"embedded": {"volumeClaim": {"claimName": "faces"}}}, {"postgres": {"secretName": "db"}})
    set_by_fields = {name for store in stores for name in environment({**EVERYTHING, "collections": store})}
    assert set(re.findall(r"FACE_COMPARISON_\w+", rule["rule"])) == {*set_by_fields, FORMER_STAGE}


def test_pods_serve_previous_stage_during_migration() -> None:
    metadata = {"name": "faces", "namespace": "default", "uid": "1"}
    status = {"url": "http://192.0.2.1/prod/face_comparison"}
    changed = resource.parse({"metadata": metadata, "spec": {"stage": "v2"}, "status": status})
    reported = ServiceSettings.from_environ(environment_of(with_stage_migration(changed, None, complete=False)))
    assert (reported.stage, reported.former_stage) == ("v2", "prod")


@pytest.mark.parametrize("spec", list(bounds()))
def test_pods_listen_on_all_addresses(spec: dict[str, Any]) -> None:
    """The service's default is 127.0.0.1, which no probe and no caller could reach."""
    assert ipaddress.ip_address(environment(spec)["FACE_COMPARISON_HOST"]).is_unspecified
