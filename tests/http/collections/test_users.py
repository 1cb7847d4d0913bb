"""Users are created, updated, listed, erased, and verified."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from face_comparison.collections.service import CollectionService
from support.analyzer import image, vector
from support.collection_api import Api
from support.running import base64_of


def test_user_is_created_updated_and_listed(api: Api) -> None:
    created = api.post("/staff/users", UserId="u-anna", Metadata={"room": 7}, Expires="2099-01-01T00:00:00Z")
    assert (created["UserId"], created["Metadata"], created["FaceCount"]) == ("u-anna", {"room": 7}, 0)
    assert created["Expires"] == "2099-01-01T00:00:00.000Z"
    assert api.call("GET", "/staff/users/u-anna") == created
    changed = api.call("PATCH", "/staff/users/u-anna", json={"Metadata": {"room": 8}})
    assert (changed["Metadata"], changed["Expires"]) == ({"room": 8}, created["Expires"])
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
    created = api.post("/staff/users", **fields)
    assert api.post("/staff/users", **fields) == created
    assert api.error("POST", "/staff/users", 409, json={**fields, "ClientRequestToken": "t-2"}) == "user_exists"
    assert api.error("POST", "/staff/users", 400, json={**fields, "UserId": "u-bert"}) == "invalid_parameter"


def test_new_user_is_described_even_if_deleted_at_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another client's deletion, or the user's expiry, does not make a success an error."""
    create = CollectionService.create_user

    def create_and_delete(service: CollectionService, collection_id: str, user_id: str, **options: Any) -> Any:
        created = create(service, collection_id, user_id, **options)
        if user_id == "u-brief":
            service.delete_user(collection_id, user_id)
        return created

    monkeypatch.setattr(CollectionService, "create_user", create_and_delete)
    fields: dict[str, Any] = {"Metadata": {"room": 7}, "Expires": "2099-01-01T02:00:00+02:00"}
    created = api.post("/staff/users", UserId="u-brief", **fields)
    assert created["Expires"] == "2099-01-01T00:00:00.000Z"
    created.pop("CreationTimestamp")
    stored = api.post("/staff/users", UserId="u-anna", **fields)
    assert stored == api.call("GET", "/staff/users/u-anna")
    stored.pop("CreationTimestamp")
    assert created == {**stored, "UserId": "u-brief"}


def test_repeated_request_for_deleted_user_says_that_there_is_none(api: Api) -> None:
    fields: dict[str, Any] = {"UserId": "u-anna", "ClientRequestToken": "t-1"}
    api.post("/staff/users", **fields)
    api.call("DELETE", "/staff/users/u-anna")
    assert api.error("POST", "/staff/users", 404, json=fields) == "not_found"


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
