"""The routes of collections: documented, with CORS, in every spelling, and explained while disabled."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import pytest

from support.collection_api import BASE, SOME_ID, Api
from support.running import Running


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


def test_routes_have_cors_headers(api: Api) -> None:
    response = api.client.options(f"{BASE}/staff/users/anna", headers={"Origin": "https://example.com"})
    allowed = set(response.headers["Access-Control-Allow-Methods"].split(", "))
    assert {"GET", "PATCH", "DELETE"} <= allowed
    assert api.client.get(f"{BASE}/none").headers["Access-Control-Allow-Origin"] == "*"


def test_path_spellings_and_messagepack_responses(api: Api) -> None:
    response = api.client.get("/prod/face-comparison/collections/staff", headers={"Accept": "application/msgpack"})
    assert msgspec.msgpack.decode(response.data)["CollectionId"] == "staff"
