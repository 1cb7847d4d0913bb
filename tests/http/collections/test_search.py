"""Searches: decisions per face, and their options."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from werkzeug.datastructures import MultiDict

from support.analyzer import MODEL, image, vector
from support.collection_api import Api
from support.running import base64_of


def test_search_decides_for_every_face(api: Api) -> None:
    api.enroll("anna", UserId="u-anna")
    api.enroll("carl", ExternalImageId="carl")
    reply = api.search("anna*", "bert", "carl*")
    assert (reply["CollectionId"], reply["FaceModelVersion"]) == ("staff", MODEL.version)
    decisions = {face["Decision"]: face for face in reply["Faces"]}
    assert sorted(face["Decision"] for face in reply["Faces"]) == ["match", "match", "unknown"]
    assert decisions["unknown"]["Matches"] == []
    by_user = {face["Matches"][0].get("UserId"): face for face in reply["Faces"] if face["Matches"]}
    assert set(by_user) == {"u-anna", None}
    assert by_user[None]["Matches"][0]["ExternalImageId"] == "carl"
    match = by_user["u-anna"]["Matches"][0]
    assert match["Similarity"] == pytest.approx(100 * match["Confidence"])
    for part in (reply, *reply["Faces"]):
        assert (part["GallerySize"], part["Exact"]) == (2, True)
        assert 0 < part["Threshold"] <= MODEL.threshold
        assert 0 < part["ExpectedFalsePositiveRate"] <= 0.0101
    assert {"BoundingBox", "FaceConfidence"} <= set(by_user["u-anna"])
    compared = api.running.compare(
        source={"face_hash": vector("anna").tolist()}, target={"face_hash": vector("anna*").tolist()}
    ).json["Targets"][0]
    assert match["Distance"] == pytest.approx(compared["Distance"], abs=1e-6)
    assert match["Confidence"] == pytest.approx(compared["Confidence"], abs=1e-5)


def test_search_accepts_rate_threshold_users_and_limits(api: Api) -> None:
    for name in ("anna", "bert", "carl"):
        api.enroll(name, UserId=name)
    strict, loose = api.search("anna", MaxFalsePositiveRate=1e-6), api.search("anna", MaxFalsePositiveRate=0.5)
    assert strict["Threshold"] < loose["Threshold"]
    assert api.search("anna", Threshold=0.25)["Threshold"] == 0.25
    few = api.search("anna", UserIds=["bert", "nobody"])
    assert (few["GallerySize"], few["Faces"][0]["Decision"]) == (1, "unknown")
    assert len(api.search("anna", "bert", "carl", MaxFaces=2)["Faces"]) == 2
    everything = api.search("dora", Threshold=2, MaxMatches=2)["Faces"][0]["Matches"]
    assert len(everything) == 2
    assert api.search()["Faces"] == []


def test_search_with_raw_body_reads_query(api: Api) -> None:
    for name in ("anna", "bert"):
        api.enroll(name, UserId=name)
    query = {"Threshold": "0.5", "MaxFaces": "1", "UserIds": '["anna"]'}
    reply = api.call("POST", "/staff/search", data=image("anna", "anna"), content_type="image/jpeg", query_string=query)
    assert (reply["Threshold"], reply["GallerySize"], len(reply["Faces"])) == (0.5, 1, 1)


@pytest.mark.parametrize(
    "users",
    [[("UserIds", "anna")], [("UserIds", "anna,bert")], [("UserIds", "anna"), ("UserIds", "bert")],
     [("UserIds", "anna, nobody"), ("UserIds", "bert")], [("UserIds", '["anna","bert"]')]],
    ids=["one", "commas", "repeated", "both", "JSON"],
)  # fmt: skip
@pytest.mark.parametrize("form", ["query", "multipart", "urlencoded"])
def test_search_users_are_read_from_every_body_format(api: Api, form: str, users: list[tuple[str, str]]) -> None:
    for name in ("anna", "bert", "carl"):
        api.enroll(name, UserId=name)
    data = image("anna")
    names = MultiDict(users)
    bodies: dict[str, dict[str, Any]] = {
        "query": {"data": data, "content_type": "image/jpeg", "query_string": urlencode(users)},
        "multipart": {"data": MultiDict([*users, ("img", (io.BytesIO(data), "a.jpg"))])},
        "urlencoded": {"data": MultiDict([*users, ("img", base64_of(data))])},
    }
    reply = api.call("POST", "/staff/search", **bodies[form])
    assert reply["GallerySize"] == (1 if names.getlist("UserIds") == ["anna"] else 2)
    assert reply["Faces"][0]["Decision"] == "match"


def test_empty_user_list_in_query_is_ignored(api: Api) -> None:
    api.enroll("anna", UserId="anna")
    query = {"UserIds": ""}
    reply = api.call("POST", "/staff/search", data=image("anna"), content_type="image/jpeg", query_string=query)
    assert reply["GallerySize"] == 1


@pytest.mark.parametrize(
    "fields",
    [{"MaxFalsePositiveRate": 0}, {"Threshold": 3}, {"Threshold": "x"}, {"MaxMatches": 0}, {"UserIds": []},
     {"UserIds": "anna"}, {"UserIds": ["a b"]}, {"MaxFalsePositiveRate": 0.1, "Threshold": 1}],
)  # fmt: skip
def test_invalid_search_is_rejected(api: Api, fields: Any) -> None:
    body = {"img": base64_of(image("anna")), **fields}
    assert api.error("POST", "/staff/search", 400, json=body) == "invalid_parameter"


@pytest.mark.parametrize("users", [[1], ["anna", None], [["anna"]], "anna", 1])
def test_packed_user_ids_must_be_strings(api: Api, users: object) -> None:
    packed = msgspec.msgpack.encode({"img": image("anna"), "UserIds": users})
    rejected = api.call("POST", "/staff/search", 400, data=packed, content_type="application/msgpack")["error"]
    assert rejected["code"] == "invalid_parameter"
    assert "each id a string" in rejected["message"]


def test_search_accepts_ten_thousand_users(api: Api) -> None:
    users = [f"{number:0128d}" for number in range(10_000)]
    api.enroll("anna", UserId=users[-1])
    assert api.search("anna", UserIds=users)["Faces"][0]["Decision"] == "match"
    body = {"img": base64_of(image("anna")), "UserIds": [*users, "more"]}
    assert api.error("POST", "/staff/search", 400, json=body) == "invalid_parameter"
