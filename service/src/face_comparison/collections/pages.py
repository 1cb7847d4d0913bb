"""Pages of lists, and the tokens by which a client asks for the next one."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from face_comparison.collections.results import Page
from face_comparison.collections.values import Collection, User
from face_comparison.errors import InvalidPageToken

PAGE_METADATA_BYTES = 2**20
"""Maximum size of the metadata in a page. It is needed because an item may have 16 KiB, and a page 4,096 items."""

ITEMS_AT_ONCE = 128

_DIGEST_BYTES = 6

T = TypeVar("T")
M = TypeVar("M", Collection, User)


@dataclass(frozen=True, slots=True)
class Paging:
    """Where a page of a list begins.

    Attributes:
        after: Key of the last item of the previous page; empty for the first page.
        list_digest: Identifies the list: its operation, collection, and filters.
    """

    after: str
    list_digest: bytes

    def token_after(self, last: str) -> str:
        """Returns the NextToken of a page that ends with the item `last`."""
        return base64.urlsafe_b64encode(self.list_digest + last.encode()).decode().rstrip("=")


def paging(token: Any, *of_list: Any) -> Paging:
    """Returns where the page with this NextToken begins.

    A token is valid only for the list that returned it, so that a client that mixes up two lists gets an error instead
    of a page that silently lacks items. It is not a secret, and needs no protection against forgery: it reveals nothing
    that its list does not.

    Args:
        token: The NextToken of the request; None for the first page.
        of_list: What identifies the list: the operation, its collection, and its filters.

    Raises:
        InvalidPageToken: This list has not returned the token.
    """
    digest = hashlib.sha256(orjson.dumps(of_list)).digest()[:_DIGEST_BYTES]
    if token in (None, ""):
        return Paging("", digest)
    try:
        decoded = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
        after = decoded[_DIGEST_BYTES:].decode()
    except (binascii.Error, ValueError, TypeError):
        raise InvalidPageToken("NextToken must be the NextToken of an earlier response") from None
    if not after or "\0" in after:  # PostgreSQL cannot store NUL
        raise InvalidPageToken("NextToken must be the NextToken of an earlier response")
    if decoded[:_DIGEST_BYTES] != digest:
        raise InvalidPageToken(
            "NextToken was returned by another list: send it with the same operation, collection and filters as the "
            "request that returned it"
        )
    return Paging(after, digest)


def page_of(items: Sequence[T], limit: int, key: Callable[[T], str], position: Paging) -> Page[T]:
    """Returns a page of `limit` items. `items` has one more if there is a next page."""
    if len(items) <= limit:
        return Page(tuple(items), None)
    return Page(tuple(items[:limit]), position.token_after(key(items[limit - 1])))


def page_by_size(read: Callable[[str, int], list[M]], position: Paging, limit: int, key: Callable[[M], str]) -> Page[M]:
    """Returns a page of at most `limit` items and PAGE_METADATA_BYTES of metadata.

    Args:
        read: Returns the items after a key, at most a given number.
        position: Where the page begins.
        limit: Maximum number of items.
        key: Returns the key of an item.
    """
    items: list[M] = []
    after, size = position.after, 0
    while True:
        count = min(ITEMS_AT_ONCE, limit + 1 - len(items))
        found = read(after, count)
        for item in found:
            size += len(orjson.dumps(item.metadata))
            if len(items) == limit or (items and size > PAGE_METADATA_BYTES):
                return Page(tuple(items), position.token_after(key(items[-1])))
            items.append(item)
        if len(found) < count:
            return Page(tuple(items), None)
        after = key(items[-1])
