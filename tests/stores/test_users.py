"""Users of a collection, in both stores."""

from __future__ import annotations

from datetime import timedelta

import pytest

from face_comparison.collections.stores import Store
from face_comparison.errors import UserExists, UserNotFound
from support.stores import erasure, nearest, user
from support.vectors import NOW, face, vector_of


def test_user_is_returned_as_it_was_created(staff: Store) -> None:
    created = user("anna", metadata={"room": 7}, expires=NOW + timedelta(hours=1))
    staff.create_user("staff", created)
    assert staff.get_user("staff", "anna") == created
    with pytest.raises(UserExists):
        staff.create_user("staff", user("anna"))


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
