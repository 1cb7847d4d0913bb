"""Requests that are repeated with the same token, in both stores."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from face_comparison.collections.stores import Store
from face_comparison.collections.stores.base import RequestToken
from face_comparison.errors import RequestTokenReused, UserExists, UserNotFound
from support.stores import erasure, user
from support.vectors import NOW, face


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
