"""Searches, in both stores: exact, up to date, and consistent."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np

from face_comparison.collections.stores import Store
from face_comparison.errors import CollectionNotFound
from support.stores import erasure, nearest
from support.vectors import collection, face, random_vectors, vector_of


def test_search_matches_brute_force(staff: Store) -> None:
    gallery, queries = random_vectors(700, seed=1), random_vectors(20, seed=2)
    created = [face(str(number), vector=vector) for number, vector in enumerate(gallery)]
    staff.add_faces("staff", created)
    found = staff.nearest("staff", queries, limit=10, grouping="faces")
    expected = np.linalg.norm(gallery[None].astype(float) - queries[:, None].astype(float), axis=2)
    for row, neighbors in zip(expected, found.neighbors, strict=True):
        best = np.argsort(row)[:10]
        assert [each.face.face_id for each in neighbors] == [created[index].face_id for index in best]
        np.testing.assert_allclose([each.distance for each in neighbors], row[best], atol=1e-6)
    assert (found.gallery_size, found.exact) == (700, True)


def test_user_is_found_once_by_nearest_face(staff: Store) -> None:
    staff.add_faces("staff", [face(f"a{photo}", user="anna", vector=vector_of("a", photo)) for photo in range(200)])
    staff.add_faces("staff", [face("b", user="bert"), face("c")])
    found = nearest(staff, vector_of("a"), limit=3)
    assert {each.face.user_id for each in found} == {"anna", "bert", None}
    assert found[0].face.face_id == face("a0").face_id
    assert found[0].distance == 0


def test_search_can_be_restricted_to_users(staff: Store) -> None:
    staff.add_faces("staff", [face(name, user=name) for name in "abc"] + [face("d")])
    assert staff.count_faces("staff") == 4
    assert staff.count_faces("staff", users=["a", "c", "nobody"]) == 2
    assert staff.count_faces("staff", grouping="users") == 3
    found = staff.nearest("staff", vector_of("b")[None], limit=9, users=["a", "c", "nobody"])
    assert {each.face.user_id for each in found.neighbors[0]} == {"a", "c"}
    assert found.gallery_size == 2
    found = staff.nearest("staff", vector_of("b")[None], limit=9, grouping="users")
    assert {each.face.user_id for each in found.neighbors[0]} == {"a", "b", "c"}
    assert found.gallery_size == 3


def test_empty_collection_has_no_neighbors(staff: Store) -> None:
    found = staff.nearest("staff", random_vectors(2), limit=3)
    assert found.neighbors == ((), ())
    assert found.gallery_size == 0
    assert staff.nearest("staff", random_vectors(1), limit=3, users=["nobody"]).neighbors == ((),)


def test_processes_see_enrollments_immediately(staff: Store, other: Store) -> None:
    for number in range(40):
        writer, reader = (staff, other) if number % 2 else (other, staff)
        writer.add_faces("staff", [face(str(number), user=str(number))])
        assert nearest(reader, vector_of(str(number)), limit=1)[0].face.user_id == str(number)
        if number % 3 == 0:
            reader.delete_faces("staff", [face(str(number)).face_id], erasure())
            assert str(number) not in {each.face.user_id for each in nearest(writer, vector_of(str(number)), limit=99)}


def test_searches_during_deletions_are_consistent(staff: Store, other: Store) -> None:
    """A face that was deleted before a search began is never found, whatever is written meanwhile."""
    created = [face(str(number), user=str(number)) for number in range(60)]
    staff.add_faces("staff", created)
    deleted: set[str] = set()
    done = threading.Event()

    def search() -> int:
        count = 0
        while not done.is_set() or not count:
            before = set(deleted)
            with suppress(CollectionNotFound):
                found = other.nearest("staff", vector_of("7")[None], limit=99)
                assert before.isdisjoint(str(each.face.user_id) for each in found.neighbors[0])
                count += 1
        return count

    with ThreadPoolExecutor(3) as pool:
        searches = [pool.submit(search) for _ in range(3)]
        try:
            for each in created[:40]:
                staff.delete_user("staff", str(each.user_id), erasure(), keep_faces=False)
                deleted.add(str(each.user_id))
            staff.delete_collection("staff", erasure())
            deleted.update(str(each.user_id) for each in created)
            staff.create_collection(collection())
        finally:
            done.set()
        assert all(each.result(60) for each in searches)
    assert nearest(other, vector_of("7")) == []
