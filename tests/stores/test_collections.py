"""Collections, in both stores."""

from __future__ import annotations

from uuid import uuid4

import pytest

from face_comparison.collections.stores import Store
from face_comparison.errors import CollectionExists, CollectionNotFound
from support.stores import erasure, nearest, user
from support.vectors import collection, face, random_vectors, vector_of


def test_collection_is_returned_as_it_was_created(store: Store) -> None:
    created = collection(retention_days=30, metadata={"site": "Zürich", "n": [1, None]}, max_false_positive_rate=0.001)
    store.create_collection(created)
    assert store.get_collection("staff") == created


def test_duplicate_collection_is_rejected(staff: Store) -> None:
    with pytest.raises(CollectionExists):
        staff.create_collection(collection())


def test_missing_collection_is_not_found(store: Store) -> None:
    for call in (
        lambda: store.get_collection("none"),
        lambda: store.delete_collection("none", erasure()),
        lambda: store.create_user("none", user("anna")),
        lambda: store.list_users("none", "", 10),
        lambda: store.delete_user("none", "anna", erasure(), keep_faces=False),
        lambda: store.add_faces("none", [face("a")]),
        lambda: store.list_faces("none", limit=10),
        lambda: store.delete_faces("none", [str(uuid4())], erasure()),
        lambda: store.assign_faces("none", [], "anna"),
        lambda: store.count_faces("none"),
        lambda: store.nearest("none", random_vectors(1), limit=1),
    ):
        with pytest.raises(CollectionNotFound):
            call()


def test_collections_are_listed_by_name_in_pages(store: Store) -> None:
    for name in ("b", "a", "C", "c"):
        store.create_collection(collection(name))
    first = store.list_collections("", 3)
    assert [each.name for each in first] == ["C", "a", "b"]  # code points: the same order in every database
    assert [each.name for each in store.list_collections(first[-1].name, 3)] == ["c"]


def test_deleting_collection_removes_only_it(staff: Store, other: Store) -> None:
    staff.create_collection(collection("guests"))
    staff.add_faces("staff", [face("a", user="anna"), face("b")])
    staff.add_faces("guests", [face("a", user="anna")])
    nearest(other, vector_of("a"))
    assert staff.delete_collection("staff", erasure()).faces == 2
    with pytest.raises(CollectionNotFound):
        other.nearest("staff", random_vectors(1), limit=1)
    staff.create_collection(collection())
    assert nearest(other, vector_of("a")) == []
    assert other.get_collection("staff", count_users=True).users == 0
    assert other.get_collection("guests").faces == 1
