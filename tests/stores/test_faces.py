"""Faces of a collection, in both stores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from face_comparison.collections.stores import Store
from face_comparison.collections.values import RelativeBox, StoredFace
from face_comparison.errors import UserNotFound
from support.stores import erasure, nearest, user
from support.vectors import face, ids, vector_of


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
    [neighbor] = nearest(other, vector_of("a"))
    assert neighbor.face.face_id == created[1].face_id
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
