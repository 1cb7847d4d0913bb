"""Erasure and retention, in both stores."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from face_comparison.collections.stores import Store
from support.stores import erasure, user
from support.vectors import NOW, collection, face, ids


def test_scrubbing_completes_erasure(staff: Store, other: Store) -> None:
    staff.add_faces("staff", [face("a", user="anna")])
    request = erasure("digest")
    receipt = staff.delete_user("staff", "anna", request, keep_faces=False)
    assert (receipt.erasure_id, receipt.collection, receipt.subject) == (request.erasure_id, "staff", "digest")
    assert (receipt.faces, receipt.deleted, receipt.backups_until) == (1, NOW, request.backups_until)
    other.scrub(NOW + timedelta(minutes=1))
    stored = other.get_erasure(request.erasure_id)
    assert stored is not None and stored.scrubbed is not None
    assert replace(stored, scrubbed=None) == replace(receipt, scrubbed=None)
    assert other.scrub(NOW) == 0
    assert other.get_erasure(str(uuid4())) is None


def test_retention_removes_expired_data_once(store: Store, other: Store) -> None:
    store.create_collection(collection(retention_days=30))
    store.create_collection(collection("forever"))
    old, new = NOW - timedelta(days=31), NOW - timedelta(days=29)
    store.create_user("staff", user("gone", expires=NOW - timedelta(seconds=1)))
    store.create_user("staff", user("stays", expires=NOW + timedelta(seconds=1)))
    for name in ("staff", "forever"):
        store.add_faces(name, [face("a", user="gone"), face("b", user="stays"), face("c", created=old)])
        store.add_faces(name, [face("d", user="left", created=old), face("e", created=new)])
    [purge] = store.purge(NOW)
    assert (purge.collection, purge.faces, purge.users) == ("staff", 3, 2)
    assert other.purge(NOW) == []
    assert ids(other.list_faces("staff", limit=10)) == ids([face("b"), face("e")])
    assert [each.user_id for each in other.list_users("staff", "", 10)] == ["stays"]
    assert other.get_collection("staff").faces == 2
    assert other.get_collection("forever").faces == 5
    recorded = other.get_erasure(purge.erasure_id)
    assert recorded is not None and recorded.faces == 3
