"""Faces are enrolled from every body format, and invalid ones are rejected."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from support.analyzer import MODEL, image, vector
from support.collection_api import BASE, Api
from support.running import base64_of


def test_enrollment_returns_records_reasons_and_duplicates(api: Api) -> None:
    reply = api.enroll("anna", "bert", UserId="u-bert", ExternalImageId="photo:1")
    [record] = reply["FaceRecords"]
    face = record["Face"]
    assert (face["UserId"], face["ExternalImageId"]) == ("u-bert", "photo:1")
    assert face["FaceModelVersion"] == reply["FaceModelVersion"] == MODEL.version
    assert set(face["BoundingBox"]) == {"Left", "Top", "Width", "Height"}
    assert record["FaceDetail"]["Quality"]["Sharpness"] == 50.0
    assert [each["Reasons"] for each in reply["UnindexedFaces"]] == [["EXCEEDS_MAX_FACES"]]
    assert reply["Duplicates"] == []
    again = api.enroll("anna", "bert", UserId="u-bert", ExternalImageId="photo:1")
    assert again["FaceRecords"][0]["Face"] == face
    assert again["FaceRecords"][0]["Created"] is False
    [duplicate] = api.enroll("bert*", UserId="u-other")["Duplicates"]
    assert duplicate["UserId"] == "u-bert"
    assert 0 < duplicate["Distance"] < MODEL.threshold
    assert duplicate["Similarity"] == pytest.approx(100 * duplicate["Confidence"])
    refused = api.enroll("bert**", UserId="u-third", OnDuplicate="refuse")
    assert (refused["FaceRecords"], refused["UnindexedFaces"][0]["Reasons"]) == ([], ["DUPLICATE_FACE"])
    assert {each["UserId"] for each in refused["Duplicates"]} == {"u-bert", "u-other"}


def test_responses_contain_no_vectors(api: Api) -> None:
    for reply in (api.enroll("anna", UserId="anna"), api.search("anna"), api.call("GET", "/staff/faces")):
        assert "face_hash" not in json.dumps(reply)


@pytest.mark.parametrize(
    "form",
    [
        {"json": {"img": base64_of(image("anna")), "UserId": "007"}},
        {"data": json.dumps({"img": base64_of(image("anna")), "UserId": "007"}), "content_type": "text/plain"},
        {"data": {"img": (io.BytesIO(image("anna")), "a.jpg"), "UserId": "007"}},
        {"data": image("anna"), "content_type": "image/jpeg", "query_string": {"UserId": "007"}},
        {
            "data": urlencode({"img": base64_of(image("anna")), "UserId": "007"}),
            "content_type": "application/x-www-form-urlencoded",
        },
        {
            "data": msgspec.msgpack.encode({"img": image("anna"), "UserId": "007"}),
            "content_type": "application/msgpack",
        },
        {"json": {"face_hash": vector("anna").tolist(), "FaceModelVersion": MODEL.version, "UserId": "007"}},
        {
            "data": msgspec.msgpack.encode({"face_hash": vector("anna").astype("<f4").tobytes(), "UserId": "007"}),
            "content_type": "application/msgpack",
        },
    ],
    ids=["json", "untyped", "multipart", "raw", "urlencoded", "msgpack", "hash", "packed hash"],
)
def test_image_is_enrolled_from_every_body_format(api: Api, form: Any) -> None:
    if "data" in form and isinstance(form["data"], dict):  # a file is read once
        form = {"data": {"img": (io.BytesIO(image("anna")), "a.jpg"), "UserId": "007"}}
    reply = api.call("POST", "/staff/faces", **form)
    assert reply["FaceRecords"][0]["Face"]["UserId"] == "007"
    assert api.search("anna*")["Faces"][0]["Matches"][0]["UserId"] == "007"


def test_image_is_enrolled_from_url(begin: Callable[..., Api], images: Any) -> None:
    api = begin(allowed_hosts=("127.0.0.1",))
    api.post("", CollectionId="staff")
    api.post("/staff/faces", url=images.url("/anna.jpg"), UserId="u-anna")
    assert api.search("anna*")["Faces"][0]["Decision"] == "match"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "missing_image"),
        ({"img": "!"}, "invalid_base64"),
        ({"img": base64_of(image())}, "no_face"),
        ({"img": base64_of(image("anna")), "UserId": "a b"}, "invalid_parameter"),
        ({"img": base64_of(image("anna")), "UserId": 7}, "invalid_parameter"),
        ({"img": base64_of(image("anna")), "ExternalImageId": "a/b"}, "invalid_parameter"),
        ({"img": base64_of(image("anna")), "MaxFaces": 0}, "invalid_parameter"),
        ({"img": base64_of(image("anna")), "MaxFaces": 101}, "invalid_parameter"),
        ({"img": base64_of(image("anna")), "QualityFilter": "BEST"}, "invalid_parameter"),
        ({"img": base64_of(image("anna")), "OnDuplicate": "drop"}, "invalid_parameter"),
    ],
)
def test_invalid_enrollment_is_rejected(api: Api, fields: Any, code: str) -> None:
    assert api.error("POST", "/staff/faces", 400, json=fields) == code
    assert api.call("GET", "/staff")["FaceCount"] == 0


def test_invalid_hash_is_rejected(api: Api) -> None:
    other = {"face_hash": vector("anna").tolist(), "FaceModelVersion": "other-1"}
    assert api.error("POST", "/staff/faces", 422, json=other) == "hash_version_mismatch"
    assert api.error("POST", "/staff/search", 422, json=other) == "hash_version_mismatch"
    wide = [*vector("anna").tolist()[:767], 0.5]
    assert api.error("POST", "/staff/faces", 422, json={"face_hash": wide}) == "invalid_face_hash"


def test_full_collection_recommends_other_store(begin: Callable[..., Api]) -> None:
    api = begin(max_faces=1)
    api.post("", CollectionId="staff")
    api.enroll("anna")
    response = api.client.post(f"{BASE}/staff/faces", json={"img": base64_of(image("bert"))})
    assert (response.status_code, response.get_json()["error"]["code"]) == (409, "collection_full")
    assert "PostgreSQL" in response.get_json()["error"]["message"]
