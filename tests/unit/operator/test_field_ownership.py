"""Managed fields that are rewritten before an apply, so that it removes undesired fields."""

from __future__ import annotations

from typing import Any

import pytest

from face_comparison_operator.api_resources import SERVICE
from face_comparison_operator.cache import strip_unused_fields
from face_comparison_operator.field_ownership import (
    fields_of_others,
    others_own_spec,
    transfer_patch,
    transferred,
)


def entry(
    operation: str, fields: dict[str, Any], manager: str = "face-comparison-operator", **more: Any
) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields, **more}


SPEC: dict[str, Any] = {"f:spec": {"f:a": {}}}
OTHER = entry("Update", {"f:status": {}}, "kube-controller-manager", subresource="status")


def test_created_fields_are_transferred_to_apply() -> None:
    found = transferred([entry("Update", SPEC), OTHER], {"spec": {}})
    assert found == [OTHER, entry("Apply", SPEC)]


def test_applied_fields_are_unchanged() -> None:
    assert transferred([entry("Apply", SPEC), OTHER], {"spec": {}}) is None
    assert transferred([OTHER], {"spec": {}}) is None


def test_two_entries_are_merged() -> None:
    more: dict[str, Any] = {"f:spec": {"f:b": {"f:c": {}}}, "f:metadata": {}}
    found = transferred([entry("Update", SPEC), entry("Apply", more)], {"spec": {}})
    assert found == [entry("Apply", {"f:spec": {"f:a": {}, "f:b": {"f:c": {}}}, "f:metadata": {}})]


def test_ownership_of_replicas_is_dropped_without_removing_them() -> None:
    fields: dict[str, Any] = {"f:spec": {"f:a": {}, "f:replicas": {}}}
    assert transferred([entry("Apply", fields)], {"spec": {}}) == [entry("Apply", SPEC)]
    assert transferred([entry("Apply", fields)], {"spec": {"replicas": 2}}) is None


EXCLUSIVE: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any] | None]] = [
    # Fields of another manager; fields that become ours beside f:a; remaining fields of the other entry.
    ("one of two exclusive fields", {"f:spec": {"f:b": {}}}, {"f:b": {}}, None),
    ("metadata stays", {"f:metadata": {"f:x": {}}, "f:spec": {"f:b": {}}}, {"f:b": {}}, {"f:metadata": {"f:x": {}}}),
    (
        "annotations of the pod template stay",
        {"f:spec": {"f:b": {}, "f:template": {"f:metadata": {"f:annotations": {"f:restartedAt": {}}}, "f:spec": {}}}},
        {"f:b": {}, "f:template": {"f:spec": {}}},
        {"f:spec": {"f:template": {"f:metadata": {"f:annotations": {"f:restartedAt": {}}}}}},
    ),
]


@pytest.mark.parametrize(("theirs", "taken", "left"), [each[1:] for each in EXCLUSIVE], ids=[e[0] for e in EXCLUSIVE])
def test_exclusive_takes_spec_fields_of_other_managers(
    theirs: dict[str, Any], taken: dict[str, Any], left: dict[str, Any] | None
) -> None:
    other = entry("Update", theirs, "kubectl-patch")
    found = transferred([entry("Apply", SPEC), other, OTHER], {"spec": {}}, exclusive=True)
    kept = [] if left is None else [{**other, "fieldsV1": left}]
    assert found == [*kept, OTHER, entry("Apply", {"f:spec": {"f:a": {}, **taken}})]


def test_exclusive_keeps_replicas_of_autoscaler() -> None:
    scale = entry("Update", {"f:spec": {"f:replicas": {}}}, "kube-controller-manager", subresource="scale")
    assert transferred([entry("Apply", SPEC), scale], {"spec": {}}, exclusive=True) is None


def test_only_spec_fields_of_other_managers_conflict() -> None:
    def owned_by(*entries: dict[str, Any]) -> bool:
        return others_own_spec({"metadata": {"managedFields": list(entries)}})

    assert owned_by(entry("Update", SPEC, "kubectl-patch"))
    assert not owned_by(entry("Apply", SPEC), OTHER, entry("Update", {"f:metadata": {}}, "kubectl-annotate"))


OWNER: dict[str, Any] = {"kind": "FaceComparison", "name": "faces", "uid": "u", "controller": True}
OTHER_OWNER: dict[str, Any] = {"kind": "Cluster", "name": "c", "uid": "c"}


@pytest.mark.parametrize(
    ("live", "changed"),
    [
        ({"labels": {"a": "b", "c": "d"}, "ownerReferences": [OWNER]}, {}),
        ({"labels": {"c": "d"}, "ownerReferences": [OWNER]}, {"labels": {"a": "b", "c": "d"}}),
        ({"labels": {"a": "b"}}, {"ownerReferences": [OWNER]}),
        (
            {"labels": {"a": "b"}, "ownerReferences": [OTHER_OWNER, {**OWNER, "controller": False}]},
            {"ownerReferences": [OTHER_OWNER, OWNER]},
        ),
    ],
    ids=["nothing is missing", "a label", "the owner", "control"],
)
def test_ownership_update_includes_identity_fields(live: dict[str, Any], changed: dict[str, Any]) -> None:
    body = {"metadata": {"labels": {"a": "b"}, "ownerReferences": [OWNER]}, "spec": {"x": 1}}
    patch = transfer_patch({"metadata": {"resourceVersion": "7", **live}}, body, [OTHER])
    values = {each["path"]: each["value"] for each in patch}
    assert values == {
        "/metadata/managedFields": [OTHER],
        "/metadata/resourceVersion": "7",
        **{f"/metadata/{name}": value for name, value in changed.items()},
    }


CONTAINERS: dict[str, Any] = {"f:containers": {'k:{"name":"service"}': {".": {}, "f:image": {}}}}
OURS = entry("Apply", {"f:spec": {"f:selector": {}, "f:template": {"f:spec": CONTAINERS}}})

# Description; spec fields of another manager; fields added to ours.
ADDED: list[tuple[str, dict[str, Any], list[str]]] = [
    ("what we own, too", {"f:selector": {}, "f:template": {"f:spec": CONTAINERS}}, []),
    ("a field more", {"f:externalIPs": {}}, ["spec.externalIPs"]),
    (
        "a container more",
        {"f:template": {"f:spec": {"f:containers": {'k:{"name":"sidecar"}': {".": {}, "f:image": {}}}}}},
        ["spec.template.spec.containers[name=sidecar].image"],
    ),
    (
        "a field of our container",
        {"f:template": {"f:spec": {"f:containers": {'k:{"name":"service"}': {"f:args": {}}}}}},
        ["spec.template.spec.containers[name=service].args"],
    ),
    ("an annotation of the pods", {"f:template": {"f:metadata": {"f:annotations": {"f:restartedAt": {}}}}}, []),
    ("the number of pods", {"f:replicas": {}}, []),
    ("a second address family", {"f:ipFamilyPolicy": {}, "f:ipFamilies": {}}, []),
]


@pytest.mark.parametrize(("theirs", "added"), [each[1:] for each in ADDED], ids=[each[0] for each in ADDED])
def test_fields_owned_only_by_others(theirs: dict[str, Any], added: list[str]) -> None:
    live = {"metadata": {"managedFields": [OURS, entry("Update", {"f:spec": theirs}, "kubectl-edit"), OTHER]}}
    assert fields_of_others(live) == added


def test_controller_fields_outside_spec_stay() -> None:
    scale = entry("Update", {"f:spec": {"f:paused": {}}}, "kube-controller-manager", subresource="scale")
    assert fields_of_others({"metadata": {"managedFields": [OURS, scale, OTHER]}}) == []
    assert fields_of_others({"metadata": {}}) == []


def test_cached_ownership_equals_full_ownership() -> None:
    edited = entry("Update", {"f:spec": {"f:externalIPs": {}}}, "kubectl-edit")
    live = {"metadata": {"name": "a", "resourceVersion": "1", "managedFields": [OURS, edited]}, "spec": {}}
    assert fields_of_others(strip_unused_fields(SERVICE, live)) == ["spec.externalIPs"]
