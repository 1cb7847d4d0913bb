"""API keys are limited to their permissions."""

from __future__ import annotations

import pytest

from support.collection_api import BASE, SOME_ID, Api


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
