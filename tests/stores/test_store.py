"""What every store does, run over both: see `face_comparison.collections.stores.base`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from face_comparison.collections.stores import Store
from face_comparison.collections.stores.base import ErasureRequest, RequestToken
from face_comparison.collections.values import Neighbor, RelativeBox, StoredFace, User
from face_comparison.errors import (
    CollectionExists,
    CollectionNotFound,
    RequestTokenReused,
    UserExists,
    UserNotFound,
)
from support.vectors import NOW, collection, face, ids, random_vectors, vector_of


def erasure(subject: str = "") -> ErasureRequest:
    return ErasureRequest(str(uuid4()), subject, NOW, NOW + timedelta(days=30))


def user(user_id: str, **changes: Any) -> User:
    return replace(User(user_id, {}, None, NOW), **changes)


def nearest(store: Store, vector: Any, limit: int = 5, **options: Any) -> list[Neighbor]:
    return list(store.nearest("staff", np.atleast_2d(vector), limit=limit, **options).neighbors[0])


@pytest.fixture
def staff(store: Store) -> Store:
    store.create_collection(collection())
    return store


# --- collections ---


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


# --- users ---


def test_user_is_returned_as_it_was_created(staff: Store) -> None:
    created = user("anna", metadata={"room": 7}, expires=NOW + timedelta(hours=1))
    staff.create_user("staff", created)
    assert staff.get_user("staff", "anna") == created
    with pytest.raises(UserExists):
        staff.create_user("staff", user("anna"))


def token(text: str, parameters: str = "", **changes: Any) -> RequestToken:
    return replace(RequestToken(text.encode(), parameters.encode(), NOW), **changes)


def test_request_token_is_idempotent(staff: Store, other: Store) -> None:
    staff.add_faces("staff", [face("a"), face("b")])
    given = [face("a").face_id, face("b").face_id]
    for store, created in ((staff, True), (other, False), (staff, False)):
        assert store.create_user("staff", user("anna"), token=token("create")) is created
        assert store.get_user("staff", "anna").created == NOW
    assert other.assign_faces("staff", given, "anna", token=token("give")) == given
    assert staff.assign_faces("staff", given, "anna") == []  # they are the user's already
    assert staff.assign_faces("staff", given, "anna", token=token("give")) == given
    assert staff.unassign_faces("staff", given[:1], "anna", token=token("take")) == given[:1]
    assert other.unassign_faces("staff", given, "anna", token=token("take")) == given[:1]
    assert staff.get_user("staff", "anna").faces == 1
    assert staff.delete_user("staff", "anna", erasure(), keep_faces=False, token=token("delete")).faces == 1
    assert other.delete_user("staff", "anna", erasure(), keep_faces=False, token=token("delete")).faces == 0
    assert not staff.create_user("staff", user("anna"), token=token("create"))  # it was, and is not made again
    with pytest.raises(UserNotFound):
        staff.get_user("staff", "anna")


def test_token_with_other_parameters_is_rejected(staff: Store) -> None:
    staff.create_user("staff", user("anna"), token=token("t", "anna"))
    with pytest.raises(RequestTokenReused):
        staff.create_user("staff", user("bert"), token=token("t", "bert"))
    with pytest.raises(RequestTokenReused):
        staff.delete_user("staff", "anna", erasure(), keep_faces=False, token=token("t", "bert"))
    assert [each.user_id for each in staff.list_users("staff", "", 9)] == ["anna"]


def test_failed_request_frees_token(staff: Store) -> None:
    staff.create_user("staff", user("anna"))
    with pytest.raises(UserExists):
        staff.create_user("staff", user("anna"), token=token("t"))
    with pytest.raises(UserNotFound):
        staff.delete_user("staff", "bert", erasure(), keep_faces=True, token=token("t"))
    staff.create_user("staff", user("bert"), token=token("t"))
    assert len(staff.list_users("staff", "", 9)) == 2


def test_tokens_expire_after_one_day(staff: Store) -> None:
    staff.create_user("staff", user("anna"), token=token("t"))
    staff.purge(NOW + timedelta(hours=23))
    staff.create_user("staff", user("anna"), token=token("t"))
    staff.purge(NOW + timedelta(hours=25))
    with pytest.raises(UserExists):
        staff.create_user("staff", user("anna"), token=token("t"))


def test_concurrent_repeats_create_one_user(staff: Store, other: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        calls = [
            pool.submit(store.create_user, "staff", user("anna"), token=token("t")) for store in (staff, other) * 8
        ]
    assert [call.exception() for call in calls] == [None] * 16
    assert len(staff.list_users("staff", "", 9)) == 1


def test_users_are_listed_with_their_face_counts(staff: Store) -> None:
    staff.create_user("staff", user("zoe"))
    staff.add_faces("staff", [face("a", user="anna"), face("b", user="anna"), face("c")])
    assert [(each.user_id, each.faces) for each in staff.list_users("staff", "", 10)] == [("anna", 2), ("zoe", 0)]
    assert [each.user_id for each in staff.list_users("staff", "anna", 10)] == ["zoe"]
    assert staff.get_collection("staff", count_users=True).users == 2


def test_update_changes_given_fields_only(staff: Store) -> None:
    expires = NOW + timedelta(days=1)
    staff.create_user("staff", user("anna", metadata={"room": 7}, expires=expires))
    assert staff.update_user("staff", "anna", metadata={}) == user("anna", expires=expires)
    assert staff.update_user("staff", "anna", expires=None) == user("anna")
    with pytest.raises(UserNotFound):
        staff.update_user("staff", "bert", metadata={})


def test_deleting_user_deletes_faces(staff: Store, other: Store) -> None:
    staff.add_faces("staff", [face("a", user="anna"), face("b", user="anna"), face("c", user="carl")])
    assert len(nearest(other, vector_of("a"))) == 2
    assert staff.delete_user("staff", "anna", erasure("digest"), keep_faces=False).faces == 2
    assert [each.face.user_id for each in nearest(other, vector_of("a"))] == ["carl"]
    assert staff.get_collection("staff").faces == 1
    with pytest.raises(UserNotFound):
        other.get_user("staff", "anna")


def test_deleting_user_can_keep_faces(staff: Store, other: Store) -> None:
    staff.add_faces("staff", [face("a", user="anna")])
    nearest(other, vector_of("a"))
    assert staff.delete_user("staff", "anna", erasure(), keep_faces=True).faces == 0
    found = nearest(other, vector_of("a"))
    assert [each.face.user_id for each in found] == [None]
    assert nearest(other, vector_of("a"), grouping="users") == []


# --- faces ---


def test_face_is_returned_as_it_was_enrolled(staff: Store) -> None:
    created = face(
        "a",
        user="anna",
        external_image_id="photo:1",
        image_id=str(uuid4()),
        box=RelativeBox(0.1, 0.2, 0.3, 0.4),
        confidence=0.9,
    )
    [added] = staff.add_faces("staff", [created])
    assert added.created
    [stored] = staff.list_faces("staff", limit=10, vectors=True)
    assert fields(stored) == fields(created)
    np.testing.assert_array_equal(stored.vector, created.vector)
    [stored] = staff.list_faces("staff", limit=10)
    assert stored.vector is None


def fields(stored: StoredFace) -> list[Any]:
    return [getattr(stored, name) for name in StoredFace.__slots__ if name != "vector"]


def test_same_source_is_enrolled_once(staff: Store) -> None:
    [first] = staff.add_faces("staff", [face("a", user="anna")])
    again = replace(face("a", user="anna"), face_id=str(uuid4()))
    [second] = staff.add_faces("staff", [again])
    assert first.face is not None and second.face is not None
    assert (second.created, second.face.face_id) == (False, first.face.face_id)
    assert staff.get_collection("staff").faces == 1


def test_duplicate_source_in_call_is_enrolled_once(staff: Store) -> None:
    added = staff.add_faces("staff", [face("a"), face("a")])
    assert [each.created for each in added] == [True, False]
    assert staff.get_collection("staff").faces == 1


def test_face_near_another_user_can_be_rejected(staff: Store) -> None:
    staff.add_faces("staff", [face("a", user="anna")])
    near = face("b", user="bert", vector=vector_of("a", photo=1))
    [added] = staff.add_faces("staff", [near], reject_within=0.8)
    assert added.face is None and added.duplicate_of is not None
    assert added.duplicate_of.face.user_id == "anna"
    assert 0 < added.duplicate_of.distance <= 0.8
    own = face("c", user="anna", vector=vector_of("a", photo=1))
    [added] = staff.add_faces("staff", [own], reject_within=0.8)
    assert added.created
    with pytest.raises(UserNotFound):
        staff.get_user("staff", "bert")


def test_faces_are_listed_by_user_and_id(staff: Store) -> None:
    created = [face(str(number), user="anna" if number % 2 else None) for number in range(7)]
    staff.add_faces("staff", created)
    first = staff.list_faces("staff", limit=4)
    rest = staff.list_faces("staff", limit=4, after=first[-1].face_id)
    assert [each.face_id for each in first + rest] == sorted(ids(created))
    assert ids(staff.list_faces("staff", limit=10, user_id="anna")) == ids(created[1::2])
    assert ids(staff.list_faces("staff", limit=10, face_ids=[created[0].face_id, str(uuid4())])) == ids(created[:1])
    with pytest.raises(UserNotFound):
        staff.list_faces("staff", limit=10, user_id="bert")


def test_deleted_face_is_not_found(staff: Store, other: Store) -> None:
    created = [face("a", user="anna"), face("b", user="anna")]
    staff.add_faces("staff", created)
    assert nearest(other, vector_of("a"))[0].distance == 0
    missing = str(uuid4())
    receipt, deleted = staff.delete_faces("staff", [created[0].face_id, missing], erasure())
    assert (receipt.faces, deleted) == (1, [created[0].face_id])
    [left] = nearest(other, vector_of("a"))
    assert left.face.face_id == created[1].face_id
    assert other.get_collection("staff").faces == 1


def test_faces_are_associated_and_disassociated(staff: Store, other: Store) -> None:
    created = [face("a"), face("b", user="bert")]
    staff.add_faces("staff", created)
    staff.create_user("staff", user("anna"))
    nearest(other, vector_of("a"))
    both = [each.face_id for each in created]
    assert staff.assign_faces("staff", both, "anna") == both[:1]
    assert [each.face.user_id for each in nearest(other, vector_of("a"), limit=1)] == ["anna"]
    assert staff.unassign_faces("staff", both, "anna") == both[:1]
    assert [each.face.user_id for each in nearest(other, vector_of("a"), limit=1)] == [None]
    with pytest.raises(UserNotFound):
        staff.assign_faces("staff", both, "nobody")


# --- searching ---


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


# --- erasure and retention ---


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


# --- operation ---


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
