"""Enrolled faces are listed and deleted."""

from __future__ import annotations

from support.collection_api import Api


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
