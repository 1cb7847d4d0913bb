"""Other spellings of known fields are rejected; unknown fields are ignored."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import pytest

from support.analyzer import image
from support.collection_api import Api
from support.running import base64_of


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
