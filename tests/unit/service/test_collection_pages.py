"""Tokens of pages: valid only for the list that returned them."""

from __future__ import annotations

from typing import Any

import pytest

from face_comparison.collections.pages import paging
from face_comparison.errors import InvalidPageToken

FACE_ID = "5b1d6c1e-52b5-4f0e-9f7c-0d3f8a1b2c3d"


@pytest.mark.parametrize("last", ["a", "staff.1", FACE_ID, "x" * 255, "ü"])
def test_token_continues_where_page_ended(last: str) -> None:
    token = paging(None, "users", "staff").token_after(last)
    assert token.isascii() and "=" not in token
    assert paging(token, "users", "staff").after == last


@pytest.mark.parametrize("token", [None, ""])
def test_first_page_needs_no_token(token: str | None) -> None:
    assert paging(token, "collections").after == ""


@pytest.mark.parametrize(
    "of_list",
    [("collections",), ("users", "other"), ("faces", "staff", None, None), ("faces", "staff", "anna", None)],
    ids=["operation", "collection", "faces", "faces of a user"],
)
def test_token_of_another_list_is_rejected(of_list: tuple[Any, ...]) -> None:
    token = paging(None, "users", "staff").token_after("anna")
    with pytest.raises(InvalidPageToken, match="returned by another list"):
        paging(token, *of_list)


def test_token_of_other_filters_is_rejected() -> None:
    token = paging(None, "faces", "staff", "anna", None).token_after(FACE_ID)
    for filters in ((None, None), ("bert", None), ("anna", [FACE_ID])):
        with pytest.raises(InvalidPageToken):
            paging(token, "faces", "staff", *filters)
    assert paging(token, "faces", "staff", "anna", None).after == FACE_ID


@pytest.mark.parametrize(
    "token", ["é", "a", "!!!!", 7, paging(None, "users").token_after("a\0"), paging(None, "users").token_after("")]
)
def test_invented_token_is_rejected(token: Any) -> None:
    with pytest.raises(InvalidPageToken, match="NextToken must be"):
        paging(token, "users")
