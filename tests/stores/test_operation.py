"""The key and the health of both stores, and what outlives a process."""

from __future__ import annotations

from collections.abc import Callable

from face_comparison.collections.stores import Store
from support.stores import nearest
from support.vectors import face, vector_of


def test_subject_key_is_shared_by_processes(store: Store, other: Store) -> None:
    assert store.subject_key() == other.subject_key()
    assert len(store.subject_key()) >= 16


def test_health_names_store_and_schema(store: Store, kind: str) -> None:
    health = store.health()
    assert health["store"] == kind
    assert health["schema"] >= 1


def test_data_outlive_process(staff: Store, opened: Callable[..., Store]) -> None:
    staff.add_faces("staff", [face("a", user="anna")])
    staff.close()
    again = opened()
    assert nearest(again, vector_of("a"))[0].face.user_id == "anna"
