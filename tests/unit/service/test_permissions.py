"""The third field of a line of the API keys file."""

from __future__ import annotations

import pytest

from face_comparison.errors import Forbidden
from face_comparison.web.auth import parse_keys
from face_comparison.web.permissions import ALL, check_permissions, split_permissions

KEY = "0123456789abcdef"


@pytest.mark.parametrize("key", [KEY, "with:colon:0", "ends:", "UPPER:CASE", "base64:+/="])
def test_key_without_permissions_has_all_of_them(key: str) -> None:
    assert split_permissions(key) == (key, ALL)


def test_permissions_follow_last_colon() -> None:
    assert split_permissions(f"{KEY}:search") == (KEY, {"search"})
    assert split_permissions(f"a:b:{KEY}:enroll,erase") == (f"a:b:{KEY}", {"enroll", "erase"})
    assert split_permissions(f"{KEY} : admin") == (KEY, {"admin"})


@pytest.mark.parametrize("field", ["serach", "search,", "search,all", "search,searches"])
def test_misspelled_permission_grants_nothing(field: str) -> None:
    try:
        key, _ = split_permissions(f"{KEY}:{field}")
    except ValueError as error:
        assert "detect,search,enroll,erase,admin" in str(error)
    else:
        assert key == f"{KEY}:{field}"  # what callers send is not this, so nobody gets in


def test_line_with_invalid_permission_is_rejected() -> None:
    found = parse_keys(f"door:{KEY}:search\nbad:{KEY}2:serach\n")
    assert [(key.name, key.permissions) for key in found.keys] == [("door", {"search"})]
    assert len(found.problems) == 1 and "line 2" in found.problems[0] and KEY not in found.problems[0]


def test_any_required_permission_suffices() -> None:
    check_permissions(frozenset({"search"}), ("search", "enroll"))
    check_permissions(frozenset(), ())
    with pytest.raises(Forbidden, match="search or enroll"):
        check_permissions(frozenset({"erase"}), ("search", "enroll"))
