"""What operators see: readiness, audit lines, metrics, retention, and a store that is unavailable."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from face_comparison.collections.stores.migrations import scripts
from face_comparison.errors import StoreUnavailable
from face_comparison.observability import logs
from support.analyzer import image
from support.collection_api import BASE, Api
from support.running import Lines, base64_of


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
