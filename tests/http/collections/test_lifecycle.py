"""Collections are created, listed, described, and deleted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from support.analyzer import MODEL, image
from support.collection_api import Api
from support.running import base64_of


def test_collection_is_created_described_listed_and_deleted(begin: Callable[..., Api]) -> None:
    api = begin()
    created = api.post(
        "", CollectionId="staff", MaxFalsePositiveRate=0.001, RetentionDays=30, Metadata={"site": "Bern"}
    )
    assert created["CollectionId"] == "staff"
    assert (created["FaceModelVersion"], created["FaceCount"], created["UserCount"]) == (MODEL.version, 0, 0)
    assert (created["MaxFalsePositiveRate"], created["RetentionDays"], created["Metadata"]) == (
        0.001,
        30,
        {"site": "Bern"},
    )
    assert 0 < created["Threshold"] <= MODEL.threshold
    assert api.call("GET", "/staff") == created
    assert api.call("GET")["CollectionIds"] == ["staff"]
    assert api.call("GET")["Collections"] == [created]
    api.enroll("anna", UserId="u-anna")
    counts = api.call("GET", "/staff")
    assert (counts["FaceCount"], counts["UserCount"]) == (1, 1)
    receipt = api.call("DELETE", "/staff")
    assert (receipt["State"], receipt["FaceCount"]) == ("scrubbed", 1)
    assert api.error("GET", "/staff", 404) == "not_found"


def test_duplicate_collection_is_conflict(api: Api) -> None:
    assert api.error("POST", "", 409, json={"CollectionId": "staff"}) == "collection_exists"


def test_collections_are_paged(api: Api) -> None:
    for name in ("a", "b", "c"):
        api.post("", CollectionId=name)
    first = api.call("GET", "?MaxResults=3")
    assert first["CollectionIds"] == ["a", "b", "c"]
    rest = api.call("GET", f"?MaxResults=3&NextToken={first['NextToken']}")
    assert (rest["CollectionIds"], rest.get("NextToken")) == (["staff"], None)


@pytest.mark.parametrize(
    "fields",
    [{}, {"CollectionId": "a b"}, {"CollectionId": 7}, {"CollectionId": "x", "MaxFalsePositiveRate": 2},
     {"CollectionId": "x", "RetentionDays": 0}, {"CollectionId": "x", "Metadata": []}],
)  # fmt: skip
def test_invalid_collection_is_rejected(api: Api, fields: Any) -> None:
    assert api.error("POST", "", 400, json=fields) == "invalid_parameter"


def test_body_that_is_not_object_is_rejected(api: Api) -> None:
    assert api.error("POST", "", 400, data=b"[1]", content_type="application/json") == "invalid_json"
    assert api.error("POST", "/staff/users", 400, data=b"{", content_type="application/json") == "invalid_json"
    assert api.error("POST", "", 400, data=image("anna"), content_type="image/jpeg") == "invalid_parameter"


def test_missing_collection_is_not_found(api: Api) -> None:
    user, face = "/none/users/anna", f"/none/faces/{uuid4()}"
    body = {"img": base64_of(image("anna")), "UserId": "anna", "FaceIds": [str(uuid4())]}
    for method, path in (
        ("GET", "/none"), ("DELETE", "/none"), ("POST", "/none/faces"), ("GET", "/none/faces"), ("DELETE", face),
        ("POST", "/none/faces/delete"), ("POST", "/none/search"), ("POST", "/none/users"), ("GET", "/none/users"),
        ("GET", user), ("PATCH", user), ("DELETE", user), ("POST", f"{user}/verify"), ("GET", "/none/export"),
        ("POST", "/none/import"),
    ):  # fmt: skip
        assert api.error(method, path, 404, json=body if method in ("POST", "PATCH") else None) == "not_found", path


def test_collection_of_another_model_is_conflict(api: Api) -> None:
    api.enroll("anna", UserId="u-anna")
    api.running.analyzer.model = replace(api.running.analyzer.model, version="fake-2")
    body = {"img": base64_of(image("anna"))}
    for path in ("/staff/faces", "/staff/search", "/staff/users/u-anna/verify", "/staff/import"):
        assert api.error("POST", path, 409, json=body) == "model_mismatch"
    assert api.call("GET", "/staff")["FaceModelVersion"] == "fake-1"
    assert api.call("DELETE", "/staff/users/u-anna")["FaceCount"] == 1
