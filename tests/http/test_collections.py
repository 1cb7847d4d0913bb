"""Collections over HTTP, on the embedded store and the fake analyzer: every route of the contract."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import msgspec
import numpy as np
import pytest
from werkzeug.datastructures import MultiDict

from face_comparison.collections.service import CollectionService
from face_comparison.collections.stores import open_store
from face_comparison.collections.stores.migrations import scripts
from face_comparison.errors import StoreUnavailable
from face_comparison.observability import logs
from face_comparison.serving.collection_upkeep import CollectionUpkeep
from face_comparison.web.request_gate import caller_of_address
from support.analyzer import MODEL, FakeAnalyzer, image, vector
from support.running import Lines, Running, base64_of

BASE = "/prod/face_comparison/collections"
SOME_ID = "5b1d6c1e-52b5-4f0e-9f7c-0d3f8a1b2c3d"


class Api:
    """Requests to the collections of one application."""

    def __init__(self, running: Running, upkeep: CollectionUpkeep) -> None:
        self.running, self.upkeep = running, upkeep
        self.client = running.client

    def call(self, method: str, path: str = "", status: int = 200, **options: Any) -> Any:
        response = self.client.open(BASE + path, method=method, **options)
        assert response.status_code == status, response.text
        return response.json

    def post(self, path: str, status: int = 200, **fields: Any) -> Any:
        return self.call("POST", path, status, json=fields)

    def enroll(self, *people: str, **fields: Any) -> Any:
        return self.post("/staff/faces", img=base64_of(image(*people)), **fields)

    def search(self, *people: str, **fields: Any) -> Any:
        return self.post("/staff/search", img=base64_of(image(*people)), **fields)

    def error(self, method: str, path: str, status: int, **options: Any) -> str:
        return str(self.call(method, path, status, **options)["error"]["code"])


class NarrowAnalyzer(FakeAnalyzer):
    """Says how wide its embeddings are, as a real one does."""

    model = replace(MODEL, embedding_width=128)


@pytest.fixture
def begin(start: Callable[..., Running], tmp_path: Path) -> Iterator[Callable[..., Api]]:
    opened = []

    def begun(max_faces: int = 1000, **options: Any) -> Api:
        analyzer = NarrowAnalyzer()
        store = open_store(f"sqlite:{tmp_path / 'store'}", max_faces=max_faces)
        upkeep = CollectionUpkeep(CollectionService(store, lambda: analyzer.model, backup_days=7))
        opened.append(upkeep)
        return Api(start(analyzer=analyzer, upkeep=upkeep, collections="sqlite:/srv/faces", **options), upkeep)

    yield begun
    for upkeep in opened:
        upkeep.service.close()


@pytest.fixture
def api(begin: Callable[..., Api]) -> Api:
    api = begin()
    api.post("", CollectionId="staff")
    return api


# --- without a store ---


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("POST", ""), ("GET", "/staff"), ("POST", "/staff/search"), ("GET", "/staff/export"),
     ("DELETE", "/staff/users/anna"), ("GET", f"/erasures/{SOME_ID}")],
)  # fmt: skip
def test_disabled_collections_are_explained(running: Running, method: str, path: str) -> None:
    response = running.client.open(BASE + path, method=method)
    assert response.status_code == 404
    assert response.get_json()["error"]["code"] == "collections_disabled"
    assert "--collections" in response.get_json()["error"]["message"]
    assert running.client.get("/readyz?verbose").get_json()["collections"] == {"status": "disabled"}


def test_every_route_is_documented_with_its_methods(begin: Callable[..., Api]) -> None:
    api = begin()
    rules = {
        (re.sub(r"<(?:\w+:)?(\w+)_id>", lambda m: "{" + m[1].title() + "Id}", rule.rule), method)
        for rule in api.client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}
        if rule.rule.startswith(BASE)
    }
    described = api.client.get("/prod/openapi.json").get_json()
    paths = {(path, method.upper()) for path, item in described["paths"].items() for method in item}
    assert rules == {each for each in paths if each[0].startswith(BASE)}
    assert len(rules) == 18
    assert described["x-service"]["endpoints"]["collections"] == f"GET {BASE}"


# --- collections ---


def test_collection_is_created_described_listed_and_deleted(begin: Callable[..., Api]) -> None:
    api = begin()
    made = api.post("", CollectionId="staff", MaxFalsePositiveRate=0.001, RetentionDays=30, Metadata={"site": "Bern"})
    assert made["CollectionId"] == "staff"
    assert (made["FaceModelVersion"], made["FaceCount"], made["UserCount"]) == (MODEL.version, 0, 0)
    assert (made["MaxFalsePositiveRate"], made["RetentionDays"], made["Metadata"]) == (0.001, 30, {"site": "Bern"})
    assert 0 < made["Threshold"] <= MODEL.threshold
    assert api.call("GET", "/staff") == made
    assert api.call("GET")["CollectionIds"] == ["staff"]
    assert api.call("GET")["Collections"] == [made]
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


# --- enrollment ---


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


# --- searching ---


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


def test_search_accepts_ten_thousand_users(api: Api) -> None:
    users = [f"{number:0128d}" for number in range(10_000)]
    api.enroll("anna", UserId=users[-1])
    assert api.search("anna", UserIds=users)["Faces"][0]["Decision"] == "match"
    body = {"img": base64_of(image("anna")), "UserIds": [*users, "more"]}
    assert api.error("POST", "/staff/search", 400, json=body) == "invalid_parameter"


def test_collection_of_another_model_is_conflict(api: Api) -> None:
    api.enroll("anna", UserId="u-anna")
    api.running.analyzer.model = replace(api.running.analyzer.model, version="fake-2")
    body = {"img": base64_of(image("anna"))}
    for path in ("/staff/faces", "/staff/search", "/staff/users/u-anna/verify", "/staff/import"):
        assert api.error("POST", path, 409, json=body) == "model_mismatch"
    assert api.call("GET", "/staff")["FaceModelVersion"] == "fake-1"
    assert api.call("DELETE", "/staff/users/u-anna")["FaceCount"] == 1


# --- faces ---


def test_faces_are_listed_and_deleted(api: Api) -> None:
    for number in range(5):
        api.enroll(f"p{number}", UserId="u-1" if number < 2 else f"u-{number}")
    first = api.call("GET", "/staff/faces?MaxResults=3")
    rest = api.call("GET", f"/staff/faces?MaxResults=3&NextToken={first['NextToken']}")
    ids = [face["FaceId"] for face in first["Faces"] + rest["Faces"]]
    assert len(set(ids)) == 5 and "NextToken" not in rest
    assert len(api.call("GET", "/staff/faces?UserId=u-1")["Faces"]) == 2
    assert api.error("GET", "/staff/faces?UserId=nobody", 404) == "not_found"
    receipt = api.call("DELETE", f"/staff/faces/{ids[0]}")
    assert (receipt["DeletedFaces"], receipt["State"]) == ([ids[0]], "scrubbed")
    assert api.error("DELETE", f"/staff/faces/{ids[0]}", 404) == "not_found"
    reply = api.post("/staff/faces/delete", FaceIds=ids[:3])
    assert set(reply["DeletedFaces"]) == set(ids[1:3])
    assert reply["UnsuccessfulFaceDeletions"] == [{"FaceId": ids[0], "Reasons": ["FACE_NOT_FOUND"]}]
    assert api.call("GET", "/staff")["FaceCount"] == 2


def test_face_is_deleted_by_id_in_any_spelling(api: Api) -> None:
    for person in ("anna", "bert"):
        api.enroll(person, UserId=person)
    first, second = (face["FaceId"] for face in api.call("GET", "/staff/faces")["Faces"])
    for reply in (
        api.call("DELETE", f"/staff/faces/{first.upper()}"),
        api.post("/staff/faces/delete", FaceIds=[second.upper(), second.replace("-", ""), second]),
    ):
        assert (len(reply["DeletedFaces"]), reply["UnsuccessfulFaceDeletions"]) == (1, [])


def test_invalid_pages_and_ids_are_rejected(api: Api) -> None:
    for path in ("?MaxResults=0", "?MaxResults=x", "?MaxResults=5000", "?NextToken=%21", "?UserId=a%20b"):
        assert api.error("GET", f"/staff/faces{path}", 400) == "invalid_parameter"
    assert api.error("DELETE", "/staff/faces/x", 400) == "invalid_parameter"
    for value in ([], "x", ["x"], None):
        assert api.error("POST", "/staff/faces/delete", 400, json={"FaceIds": value}) == "invalid_parameter"


# --- users ---


def test_user_is_created_updated_and_listed(api: Api) -> None:
    made = api.post("/staff/users", UserId="u-anna", Metadata={"room": 7}, Expires="2099-01-01T00:00:00Z")
    assert (made["UserId"], made["Metadata"], made["FaceCount"]) == ("u-anna", {"room": 7}, 0)
    assert made["Expires"] == "2099-01-01T00:00:00.000Z"
    assert api.call("GET", "/staff/users/u-anna") == made
    changed = api.call("PATCH", "/staff/users/u-anna", json={"Metadata": {"room": 8}})
    assert (changed["Metadata"], changed["Expires"]) == ({"room": 8}, made["Expires"])
    cleared = api.call("PATCH", "/staff/users/u-anna", json={"Expires": None})
    assert (cleared["Metadata"], "Expires" in cleared) == ({"room": 8}, False)
    api.enroll("bert", UserId="u-bert")
    users = api.call("GET", "/staff/users")["Users"]
    assert [(user["UserId"], user["FaceCount"]) for user in users] == [("u-anna", 0), ("u-bert", 1)]
    assert api.call("GET", "/staff/users?MaxResults=1")["NextToken"]


@pytest.mark.parametrize(
    "fields",
    [{}, {"UserId": "a b"}, {"UserId": "x", "Expires": "yesterday"}, {"UserId": "x", "Expires": "2001-01-01"},
     {"UserId": "x", "Metadata": "y"}, {"UserId": "x", "ClientRequestToken": "a b"}],
)  # fmt: skip
def test_invalid_user_is_rejected(api: Api, fields: Any) -> None:
    api.post("/staff/users", UserId="u-anna")
    assert api.error("POST", "/staff/users", 400, json=fields) == "invalid_parameter"


def test_second_user_of_name_is_conflict(api: Api) -> None:
    api.post("/staff/users", UserId="u-anna", Metadata={"room": 7})
    rejected = api.post("/staff/users", 409, UserId="u-anna", Metadata={"room": 7})["error"]
    assert rejected["code"] == "user_exists"
    assert "u-anna" in rejected["message"] and "PATCH" in rejected["message"]


def test_repeated_request_for_user_changes_nothing(api: Api) -> None:
    """The token of a client that lost the response; with other parameters it is a mistake of the client."""
    fields: dict[str, Any] = {"UserId": "u-anna", "Metadata": {"room": 7}, "ClientRequestToken": "t-1"}
    made = api.post("/staff/users", **fields)
    assert api.post("/staff/users", **fields) == made
    assert api.error("POST", "/staff/users", 409, json={**fields, "ClientRequestToken": "t-2"}) == "user_exists"
    assert api.error("POST", "/staff/users", 400, json={**fields, "UserId": "u-bert"}) == "invalid_parameter"


def test_new_user_is_described_even_if_deleted_at_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another client's deletion, or the user's expiry, does not make a success an error."""
    create = CollectionService.create_user

    def create_and_delete(service: CollectionService, collection_id: str, user_id: str, **options: Any) -> Any:
        made = create(service, collection_id, user_id, **options)
        if user_id == "u-brief":
            service.delete_user(collection_id, user_id)
        return made

    monkeypatch.setattr(CollectionService, "create_user", create_and_delete)
    fields: dict[str, Any] = {"Metadata": {"room": 7}, "Expires": "2099-01-01T02:00:00+02:00"}
    made = api.post("/staff/users", UserId="u-brief", **fields)
    assert made["Expires"] == "2099-01-01T00:00:00.000Z"
    made.pop("CreationTimestamp")
    stored = api.post("/staff/users", UserId="u-anna", **fields)
    assert stored == api.call("GET", "/staff/users/u-anna")
    stored.pop("CreationTimestamp")
    assert made == {**stored, "UserId": "u-brief"}


def test_repeated_request_for_deleted_user_says_that_there_is_none(api: Api) -> None:
    fields: dict[str, Any] = {"UserId": "u-anna", "ClientRequestToken": "t-1"}
    api.post("/staff/users", **fields)
    api.call("DELETE", "/staff/users/u-anna")
    assert api.error("POST", "/staff/users", 404, json=fields) == "not_found"


@pytest.mark.parametrize(
    ("method", "path", "fields", "says"),
    [
        ("POST", "/staff/users/u-anna/verify", {"threshold": 0.1}, "did you mean Threshold?"),
        ("POST", "/staff/search", {"max_matches": 1}, "did you mean MaxMatches?"),
        ("POST", "/staff/faces", {"user_id": "u-bert"}, "did you mean UserId?"),
        ("POST", "", {"CollectionId": "guests", "retentionDays": 1}, "did you mean RetentionDays?"),
        ("POST", "/staff/users", {"UserId": "u-bert", "expires": "2099-01-01"}, "did you mean Expires?"),
        ("PATCH", "/staff/users/u-anna", {"expires": None}, "did you mean Expires?"),
        ("POST", "/staff/search", {"maxFalsePositiveRate": 0.1}, "did you mean MaxFalsePositiveRate?"),
    ],
)
def test_other_spelling_of_field_is_rejected(
    api: Api, method: str, path: str, fields: dict[str, Any], says: str
) -> None:
    """Nothing is left out silently: a threshold that is not applied would let the wrong people in."""
    api.enroll("anna", UserId="u-anna")
    with_image = path.endswith(("verify", "search", "faces"))
    whole = {**({"img": base64_of(image("anna"))} if with_image else {}), **fields}
    forms: list[dict[str, Any]] = [
        {"json": whole},
        {"data": msgspec.msgpack.encode(whole), "content_type": "application/msgpack"},
    ]
    if with_image:
        ((name, value),) = fields.items()
        part = (io.BytesIO(image("anna")), "anna.jpg")
        forms += [
            {"data": {"img": part, name: str(value)}, "content_type": "multipart/form-data"},
            {"data": {"img": base64_of(image("anna")), name: str(value)}},
            {"data": image("anna"), "content_type": "image/jpeg", "query_string": {name: value}},
        ]
    for form in forms:
        rejected = api.call(method, path, 400, **form)["error"]
        assert rejected["code"] == "invalid_parameter"
        assert says in rejected["message"], (form, rejected)


def test_fields_that_nobody_knows_are_ignored(api: Api) -> None:
    """A newer client may send them."""
    api.enroll("anna", UserId="u-anna", Novelty=1)
    assert api.search("anna", Novelty=[1])["Faces"][0]["Decision"] == "match"


@pytest.mark.parametrize("path", ["", "/staff/users", "/staff/faces"])
def test_other_spelling_in_query_of_list_is_rejected(api: Api, path: str) -> None:
    rejected = api.call("GET", f"{path}?max_results=1", 400)["error"]
    assert "did you mean MaxResults?" in rejected["message"]


def test_erased_user_is_gone_and_has_receipt(api: Api) -> None:
    api.enroll("anna", UserId="u-anna")
    api.enroll("anna*", UserId="u-anna")
    receipt = api.call("DELETE", "/staff/users/u-anna")
    assert (receipt["UserId"], receipt["State"], receipt["FaceCount"]) == ("u-anna", "scrubbed", 2)
    assert {"DeletedTimestamp", "ScrubbedTimestamp", "BackupsExpireTimestamp", "CollectionId"} <= set(receipt)
    assert api.search("anna")["Faces"][0]["Decision"] == "unknown"
    assert api.error("GET", "/staff/users/u-anna", 404) == "not_found"
    assert api.error("DELETE", "/staff/users/u-anna", 404) == "not_found"
    stored = api.call("GET", f"/erasures/{receipt['ErasureId']}")
    assert stored == {name: value for name, value in receipt.items() if name != "UserId"}
    assert api.error("GET", f"/erasures/{uuid4()}", 404) == "not_found"
    assert api.error("GET", "/erasures/faces", 404) == "not_found"


def test_collection_may_be_named_erasures(api: Api) -> None:
    api.post("", CollectionId="erasures")
    assert api.call("GET", "/erasures/faces")["Faces"] == []
    assert api.call("GET", "/erasures")["CollectionId"] == "erasures"


def test_verification_responds_like_comparison(api: Api) -> None:
    api.enroll("anna", UserId="u-anna")
    path = "/staff/users/u-anna/verify"
    reply = api.post(path, img=base64_of(image("bert", "anna*")))
    assert (reply["UserId"], reply["SamePerson"], reply["Verdict"]) == ("u-anna", True, "same")
    assert reply["Confidence"] > 0.9
    distances = [face["Distance"] for face in reply["Faces"]]
    assert distances == sorted(distances) and distances[0] == reply["Distance"]
    assert {"BoundingBox", "FaceConfidence", "SamePerson", "Verdict"} <= set(reply["Faces"][0])
    assert api.post(path, img=base64_of(image("bert")))["SamePerson"] is False
    assert api.post(path, img=base64_of(image("anna*")), Threshold=0.01)["SamePerson"] is False
    assert api.post(path, face_hash=vector("anna").tolist())["Distance"] == 0
    assert api.error("POST", path, 400, json={"img": base64_of(image())}) == "no_face"
    assert api.error("POST", "/staff/users/nobody/verify", 404, json={"img": base64_of(image("anna"))}) == "not_found"
    api.post("/staff/users", UserId="empty")
    assert api.error("POST", "/staff/users/empty/verify", 400, json={"img": base64_of(image("anna"))}) == "no_face"


# --- moving data ---


def test_export_is_imported_into_another_collection(api: Api) -> None:
    api.enroll("anna", UserId="u-anna", ExternalImageId="photo")
    api.enroll("bert", "carl")
    exported = api.client.get(f"{BASE}/staff/export")
    assert exported.content_type == "application/x-ndjson"
    lines = [json.loads(line) for line in exported.data.splitlines()]
    assert len(lines) == 3
    assert all(len(line["face_hash"]) == 768 and line["FaceModelVersion"] == MODEL.version for line in lines)
    api.post("", CollectionId="copy")
    report = api.call("POST", "/copy/import", data=exported.data, content_type="application/x-ndjson")
    assert (report["ImportedFaceCount"], report["UnchangedFaceCount"], report["FailedLineCount"]) == (3, 0, 0)
    again = api.call("POST", "/copy/import", data=exported.data, content_type="application/x-ndjson")
    assert (again["ImportedFaceCount"], again["UnchangedFaceCount"]) == (0, 3)
    copied = [json.loads(line) for line in api.client.get(f"{BASE}/copy/export").data.splitlines()]
    for line, copy in zip(lines, copied, strict=True):
        np.testing.assert_allclose(line.pop("face_hash"), copy.pop("face_hash"), atol=1e-7)
        assert line == copy
    assert api.call("GET", "/copy")["UserCount"] == 1
    # The same image enrolled again after the move changes nothing.
    reply = api.post("/copy/faces", img=base64_of(image("anna")), UserId="u-anna")
    assert reply["FaceRecords"][0]["Created"] is False


def test_invalid_lines_are_reported_by_number(api: Api) -> None:
    def line(**changes: Any) -> str:
        return json.dumps({"face_hash": vector("anna").tolist(), "FaceModelVersion": MODEL.version, **changes})

    lines = [
        line(UserId="u-1"),
        "{not json",
        line(FaceModelVersion="other-1"),
        "",
        line(face_hash=[1, 2]),
        line(UserId="a b"),
        line(FaceId="x"),
        line(CreationTimestamp="soon"),
        line(face_hash=[0.1] * 768),
        json.dumps({"face_hash": vector("anna").tolist()}),
        line(UserId="u-2", FaceId=str(uuid4()), ExternalImageId="e", CreationTimestamp="2030-01-01T00:00:00Z"),
    ]
    report = api.call("POST", "/staff/import", data="\n".join(lines))
    assert (report["ImportedFaceCount"], report["FailedLineCount"]) == (2, 8)
    assert [each["Line"] for each in report["Errors"]] == [2, 3, 5, 6, 7, 8, 9, 10]
    assert all(each["Message"] for each in report["Errors"])
    assert [user["UserId"] for user in api.call("GET", "/staff/users")["Users"]] == ["u-1", "u-2"]


def test_empty_collection_exports_nothing(api: Api) -> None:
    assert api.client.get(f"{BASE}/staff/export").data == b""


def test_export_holds_capacity_until_its_end(api: Api) -> None:
    for number in range(100):
        face_hash = vector("anna" if number % 2 else "bert").tolist()
        api.post("/staff/faces", face_hash=face_hash, FaceModelVersion=MODEL.version, ExternalImageId=f"e-{number}")
    exported = api.client.get(f"{BASE}/staff/export", buffered=False)
    parts = exported.iter_encoded()
    first = next(parts)
    assert api.running.admission.in_flight == 1
    whole = first + b"".join(parts)
    assert len(whole.splitlines()) == 100
    assert len(first) < len(whole)
    exported.close()
    assert api.running.admission.in_flight == 0


@pytest.mark.parametrize("end", ["leaves", "asks for the head"])
def test_abandoned_export_releases_capacity(api: Api, end: str) -> None:
    api.enroll("anna")
    if end == "leaves":
        api.client.get(f"{BASE}/staff/export", buffered=False).close()
    else:
        assert api.client.head(f"{BASE}/staff/export").status_code == 200
    assert api.running.admission.in_flight == 0


def test_export_waits_in_queue(api: Api) -> None:
    with ExitStack() as others:
        for _ in range(api.running.admission.slots + api.running.settings.queue):
            own = caller_of_address("127.0.0.1")
            others.enter_context(api.running.admission.admit(time.monotonic() + 60, own))
        assert api.error("GET", "/staff/export", 429) == "overloaded"
        assert api.error("GET", "/none/export", 429) == "overloaded"


# --- permissions ---


KEYS = """
all:k-all
reader:k-search:search
clerk:k-enroll:enroll,search
eraser:k-erase:erase
boss:k-admin:admin
old:k-detect:detect
"""


@pytest.fixture
def closed(begin: Callable[..., Api], tmp_path: Path) -> Api:
    keys = tmp_path / "keys"
    keys.write_text(KEYS)
    return begin(auth="api-key", api_keys_file=str(keys))


@pytest.mark.parametrize(("key", "permissions"), [("k-enroll", ["enroll", "search"]), ("k-detect", ["detect"])])
def test_caller_can_list_its_permissions(closed: Api, key: str, permissions: list[str]) -> None:
    response = closed.client.get("/prod/face_comparison", headers={"x-api-key": key})
    assert response.get_json()["permissions"] == permissions
    assert "permissions" not in closed.client.get("/prod/openapi.json").get_json()["x-service"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/prod/face_comparison", {"all", "detect"}),
        ("POST", "/prod/face_comparison/compare", {"all", "detect"}),
        ("POST", BASE, {"all", "admin"}),
        ("GET", BASE, {"all", "search", "enroll", "erase", "admin"}),
        ("GET", f"{BASE}/staff", {"all", "search", "enroll", "erase", "admin"}),
        ("DELETE", f"{BASE}/staff", {"all", "admin"}),
        ("POST", f"{BASE}/staff/faces", {"all", "enroll"}),
        ("GET", f"{BASE}/staff/faces", {"all", "search", "enroll", "erase", "admin"}),
        ("DELETE", f"{BASE}/staff/faces/{SOME_ID}", {"all", "erase"}),
        ("POST", f"{BASE}/staff/faces/delete", {"all", "erase"}),
        ("POST", f"{BASE}/staff/search", {"all", "search", "enroll"}),
        ("POST", f"{BASE}/staff/users", {"all", "enroll"}),
        ("GET", f"{BASE}/staff/users", {"all", "search", "enroll", "erase", "admin"}),
        ("PATCH", f"{BASE}/staff/users/anna", {"all", "enroll"}),
        ("DELETE", f"{BASE}/staff/users/anna", {"all", "erase"}),
        ("POST", f"{BASE}/staff/users/anna/verify", {"all", "search", "enroll"}),
        ("GET", f"{BASE}/staff/export", {"all", "admin"}),
        ("POST", f"{BASE}/staff/import", {"all", "enroll"}),
        ("GET", f"{BASE}/erasures/{SOME_ID}", {"all", "erase", "admin"}),
    ],
)
def test_keys_are_limited_to_their_permissions(closed: Api, method: str, path: str, allowed: set[str]) -> None:
    assert closed.client.open(path, method=method).status_code == 401
    for key in ("all", "search", "enroll", "erase", "admin", "detect"):
        response = closed.client.open(path, method=method, headers={"x-api-key": f"k-{key}"})
        assert (response.status_code == 403) == (key not in allowed), (key, response.text)
        if response.status_code == 403:
            assert response.get_json()["error"]["code"] == "forbidden"


# --- operation ---


def test_unavailable_store_does_not_stop_detection(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("the store of collections cannot be reached now: send the request again later")

    for name in ("get_collection", "list_collections", "get_erasure", "health"):
        monkeypatch.setattr(api.upkeep.service._store, name, fail)
    for method, path in (("GET", ""), ("GET", "/staff"), ("POST", "/staff/search"), ("GET", "/staff/export")):
        response = api.client.open(BASE + path, method=method, json={} if method == "POST" else None)
        assert (response.status_code, response.get_json()["error"]["code"]) == (503, "store_unavailable")
        assert int(response.headers["Retry-After"]) >= 1
    assert api.running.detect(img=base64_of(image("anna"))).status_code == 200
    api.upkeep.run_once(purge=True)
    ready = api.client.get("/readyz?verbose")
    assert (ready.status_code, ready.get_json()["collections"]["status"]) == (200, "unavailable")


def test_verbose_readiness_names_store_and_schema(api: Api) -> None:
    assert api.client.get("/readyz").json == {"status": "ready"}
    api.upkeep.run_once(purge=False)
    state = api.client.get("/readyz?verbose").get_json()["collections"]
    assert (state["status"], state["store"], state["schema"]) == ("ready", "sqlite", len(scripts("sqlite")))


def test_audit_line_has_no_biometrics(closed: Api, lines: Lines) -> None:
    closed.call("POST", json={"CollectionId": "staff"}, headers={"x-api-key": "k-all"})
    body = {"img": base64_of(image("anna")), "UserId": "secret-name"}
    closed.call("POST", "/staff/faces", json=body, headers={"x-api-key": "k-enroll"})
    closed.call("POST", "/staff/search", json=body, headers={"x-api-key": "k-search"})
    closed.call("POST", "/staff/users/secret-name/verify", json=body, headers={"x-api-key": "k-search"})
    closed.call("DELETE", "/staff/users/secret-name", headers={"x-api-key": "k-erase"})
    closed.call("DELETE", "/staff/users/secret-name", 404, headers={"x-api-key": "k-erase"})
    entries = [entry for entry in lines.entries if entry["logger"] == logs.AUDIT_LOGGER]
    assert [(each["client"], each["action"], each["outcome"]) for each in entries] == [
        ("all", "create_collection", "ok"),
        ("clerk", "enroll", "ok"),
        ("reader", "search", "ok"),
        ("reader", "verify", "ok"),
        ("eraser", "delete_user", "ok"),
        ("eraser", "delete_user", "not_found"),
    ]
    assert all(each["collection"] == "staff" and each["id"] for each in entries)
    assert (entries[2]["n"], entries[2]["decisions"]) == (1, {"match": 1})
    assert (entries[3]["n"], entries[3]["decision"]) == (1, "same")
    assert entries[1]["subject"] == entries[3]["subject"] == entries[4]["subject"]
    for entry in entries:
        assert set(entry) <= {
            "time", "level", "logger", "message", "id", "client", "action", "outcome", "collection", "subject", "n",
            "threshold", "decision", "decisions", "faces", "unindexed", "duplicates",
        }  # fmt: skip
    assert "secret-name" not in json.dumps(entries)


def test_metrics_count_decisions_faces_and_seconds(api: Api) -> None:
    api.enroll("anna", UserId="u-anna")
    before = api.client.get("/metrics").text
    api.search("anna", "bert")
    api.upkeep.run_once(purge=False)
    after = api.client.get("/metrics").text

    def value(text: str, name: str) -> float:
        return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(name)), 0.0)

    for decision in ("match", "unknown"):
        name = f'face_comparison_collection_searches_total{{decision="{decision}"}}'
        assert value(after, name) == value(before, name) + 1
    name = "face_comparison_collection_search_duration_seconds_count"
    assert value(after, name) == value(before, name) + 1
    assert value(after, 'face_comparison_collection_faces{collection="staff"}') == 1


@pytest.mark.parametrize("deleted_here", [True, False])
def test_deleted_collections_are_removed_from_metrics(api: Api, deleted_here: bool) -> None:
    """Also those that another process deleted."""
    api.enroll("anna")
    api.upkeep.run_once(purge=False)
    label = 'face_comparison_collection_faces{collection="staff"}'
    assert label in api.client.get("/metrics").text
    if deleted_here:
        assert api.client.delete(f"{BASE}/staff").status_code == 200
    else:
        api.upkeep.service.delete_collection("staff")
        api.upkeep.run_once(purge=False)
    assert label not in api.client.get("/metrics").text


def test_retention_is_audited_once(api: Api, lines: Lines) -> None:
    api.enroll("anna", UserId="guest")
    api.upkeep.service._store.update_user("staff", "guest", expires=datetime(2001, 1, 1, tzinfo=UTC))
    api.upkeep.run_once(purge=True)
    api.upkeep.run_once(purge=True)
    purges = [entry for entry in lines.entries if entry.get("action") == "purge"]
    assert [(each["collection"], each["faces"], each["users"]) for each in purges] == [("staff", 1, 1)]
    assert api.search("anna")["Faces"][0]["Decision"] == "unknown"


def test_purge_without_scrubbing_is_audited(api: Api, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    api.enroll("anna", UserId="guest")
    api.upkeep.service._store.update_user("staff", "guest", expires=datetime(2001, 1, 1, tzinfo=UTC))

    def fail(*_: Any) -> Any:
        raise StoreUnavailable("the volume is full")

    monkeypatch.setattr(api.upkeep.service._store, "scrub", fail)
    api.upkeep.run_once(purge=True)
    assert [entry["faces"] for entry in lines.entries if entry.get("action") == "purge"] == [1]
    assert api.upkeep.state["status"] == "unavailable"


def test_routes_have_cors_headers(api: Api) -> None:
    response = api.client.options(f"{BASE}/staff/users/anna", headers={"Origin": "https://example.com"})
    allowed = set(response.headers["Access-Control-Allow-Methods"].split(", "))
    assert {"GET", "PATCH", "DELETE"} <= allowed
    assert api.client.get(f"{BASE}/none").headers["Access-Control-Allow-Origin"] == "*"


def test_path_spellings_and_messagepack_responses(api: Api) -> None:
    response = api.client.get("/prod/face-comparison/collections/staff", headers={"Accept": "application/msgpack"})
    assert msgspec.msgpack.decode(response.data)["CollectionId"] == "staff"
