"""A NextToken continues the list that returned it, and no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3

from support.analyzer import image
from support.rekognition import rekognition_client

BASE = "/prod/face_comparison/collections"


@pytest.fixture
def url(serve: Callable[..., str]) -> Iterator[str]:
    """A service with two collections, `a` and `b`, of three people each."""
    started = serve()
    for name in ("a", "b"):
        urllib3.request("POST", f"{started}{BASE}", json={"CollectionId": name})
        for person in ("anna", "bert", "cara"):
            path = f"{BASE}/{name}/faces?UserId={person}"
            body, headers = image(person), {"Content-Type": "image/png"}
            assert urllib3.request("POST", started + path, body=body, headers=headers).status == 200
    yield started


def read(url: str, path: str) -> Any:
    return urllib3.request("GET", f"{url}{BASE}{path}").json()


LISTS = ["?", "/a/faces?", "/a/users?", "/b/users?", "/a/faces?UserId=anna&"]


def test_token_is_rejected_by_every_other_list(url: str) -> None:
    urllib3.request(
        "POST", f"{url}{BASE}/a/faces?UserId=anna", body=image("anna*"), headers={"Content-Type": "image/png"}
    )
    tokens = {path: read(url, f"{path}MaxResults=1")["NextToken"] for path in LISTS}
    for source, token in tokens.items():
        for path in LISTS:
            found = read(url, f"{path}MaxResults=1&NextToken={token}")
            if path == source:
                assert "error" not in found
            else:
                assert found["error"]["code"] == "invalid_parameter"
                assert "returned by another list" in found["error"]["message"]


def test_rekognition_token_is_rejected_by_other_operations(url: str) -> None:
    rekognition = rekognition_client(url)
    token = rekognition.list_users(CollectionId="a", MaxResults=1)["NextToken"]
    rest = rekognition.list_users(CollectionId="a", MaxResults=5, NextToken=token)
    assert [user["UserId"] for user in rest["Users"]] == ["bert", "cara"]
    for call, parameters in (
        (rekognition.list_users, {"CollectionId": "b"}),
        (rekognition.list_faces, {"CollectionId": "a"}),
        (rekognition.list_collections, {}),
    ):
        with pytest.raises(rekognition.exceptions.InvalidPaginationTokenException):
            call(**parameters, NextToken=token)
