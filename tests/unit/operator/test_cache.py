"""The operator's cache keeps the newest version of every object, in whatever order events arrive."""

from __future__ import annotations

from typing import Any

from face_comparison_operator.api_resources import DEPLOYMENT, POD, RESOURCE, SERVICE
from face_comparison_operator.cache import ObjectCache

KEY = ("ns", "faces")


def body(version: int, name: str = "faces", **more: Any) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": "ns",
        "uid": "u",
        "resourceVersion": str(version),
        **more.pop("metadata", {}),
    }
    return {"metadata": metadata, **more}


def test_newest_version_wins() -> None:
    store = ObjectCache()
    assert store.put(SERVICE, body(5, spec={"a": 5})) == KEY
    assert store.put(SERVICE, body(4, spec={"a": 4})) is None
    assert store.put(SERVICE, body(5, spec={"a": 5})) is None, "nothing new need not be looked at"
    found = store.get(SERVICE, KEY, "faces")
    assert found is not None
    assert found["spec"] == {"a": 5}


def test_late_response_does_not_restore_a_deleted_object() -> None:
    store = ObjectCache()
    store.put(SERVICE, body(5))
    assert store.remove(SERVICE, body(6)) == KEY
    assert store.put(SERVICE, body(5)) is None
    assert store.get(SERVICE, KEY, "faces") is None
    assert store.put(SERVICE, body(7)) == KEY, "made again"


def test_late_deletion_event_does_not_remove_a_newer_object() -> None:
    store = ObjectCache()
    store.put(SERVICE, body(8))
    store.remove(SERVICE, body(6))
    assert store.get(SERVICE, KEY, "faces") is not None


def test_list_removes_missing_objects_of_its_kind_and_namespace() -> None:
    store = ObjectCache()
    for kind in (SERVICE, DEPLOYMENT):
        store.put(kind, body(1))
    store.put(SERVICE, body(2, "other"))
    assert store.replace(SERVICE, "elsewhere", set(), 9) == []
    assert store.replace(SERVICE, "ns", {("ns", "other")}, 9) == [KEY]
    assert store.get(SERVICE, KEY, "faces") is None
    assert store.get(DEPLOYMENT, KEY, "faces") is not None
    assert store.get(SERVICE, ("ns", "other"), "other") is not None


def test_list_keeps_newer_objects() -> None:
    store = ObjectCache()
    store.put(SERVICE, body(5))
    assert store.replace(SERVICE, "ns", set(), 4) == []
    assert store.get(SERVICE, KEY, "faces") is not None
    assert store.replace(SERVICE, "ns", set(), 5) == [KEY]


def test_child_is_found_by_name_despite_labels() -> None:
    store = ObjectCache()
    labels: dict[str, Any] = {"metadata": {"labels": {"app.kubernetes.io/instance": "another"}}}
    assert store.put(SERVICE, body(1, **labels)) == KEY


def test_pod_is_found_by_its_label() -> None:
    store = ObjectCache()
    mine = {"labels": {"app.kubernetes.io/instance": "faces"}}
    status = {"phase": "Running", "podIP": "198.18.0.1"}
    assert store.put(POD, body(1, "faces-abc", metadata=mine, spec={"containers": []}, status=status)) == KEY
    assert store.put(POD, body(2, "stray")) is None
    (found,) = store.all(POD, KEY)
    assert found["status"] == {"phase": "Running"}, "only what is read is kept"
    assert "spec" not in found


def test_resources() -> None:
    store = ObjectCache()
    store.put(SERVICE, body(1, "lonely"))
    store.put(RESOURCE, body(1, "7.faces", metadata={"annotations": {"a": "b"}, "managedFields": []}))
    ((key, found),) = list(store.resources())
    assert key[1].startswith("fc-7-faces-")
    assert store.resource(key) == found
    assert found["metadata"].keys() == {"name", "namespace", "uid", "resourceVersion"}
