"""The requests of collections, without I/O: `Collection` and `AsyncCollection` send them and return what they yield."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from ..api.collections import (
    CollectionDescription,
    CollectionPage,
    DeleteFacesResponse,
    EnrollResponse,
    Erasure,
    FacePage,
    ImportedLine,
    ImportResponse,
    SearchResponse,
    User,
    UserErasure,
    UserPage,
    VerifyResponse,
)
from .calls import without_none
from .images import subject_fields

_T = TypeVar("_T")
Page = TypeVar("Page", CollectionPage, FacePage, UserPage)

IMPORT_BYTES = 4 * 2**20
"""Lines are imported in requests of about this size."""


class _Unchanged:
    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Any = _Unchanged()
"""Of a field that an update leaves as it is; None is a value of its own."""


@dataclass(frozen=True, slots=True)
class Request(Generic[_T]):
    """One request below the endpoint, and the type of its response."""

    method: str
    path: str
    body: bytes | None
    response_type: type[_T]


def create_collection(
    name: str,
    max_false_positive_rate: float | None,
    retention_days: int | None,
    metadata: Mapping[str, Any] | None,
) -> Request[CollectionDescription]:
    """Creates a collection."""
    fields = {
        "CollectionId": name,
        "MaxFalsePositiveRate": max_false_positive_rate,
        "RetentionDays": retention_days,
        "Metadata": metadata,
    }
    return _post("/collections", fields, CollectionDescription)


def list_collections() -> Request[CollectionPage]:
    """Returns the first page of the collections."""
    return Request("GET", "/collections", None, CollectionPage)


def describe_erasure(erasure_id: str) -> Request[Erasure]:
    """Returns the receipt of an earlier deletion."""
    return Request("GET", f"/collections/erasures/{quote(erasure_id, safe='')}", None, Erasure)


def next_page(request: Request[Page], page: Page) -> Request[Page] | None:
    """Returns the request of the page behind this one; None behind the last."""
    return None if page.next_token is None else replace(request, path=_with_token(request.path, page.next_token))


def _with_token(path: str, token: str) -> str:
    path, _, query = path.partition("?")
    parameters = [pair for pair in query.split("&") if pair and not pair.startswith("NextToken=")]
    return f"{path}?{'&'.join([*parameters, urlencode({'NextToken': token})])}"


class CollectionCalls:
    """The requests of one collection; files of images are read as a request is made."""

    def __init__(self, name: str) -> None:
        self.path = f"/collections/{quote(name, safe='')}"

    def describe(self) -> Request[CollectionDescription]:
        """What the collection holds."""
        return Request("GET", self.path, None, CollectionDescription)

    def delete(self) -> Request[Erasure]:
        """Deletes the collection."""
        return Request("DELETE", self.path, None, Erasure)

    def enroll(self, image: Any, **options: Any) -> Request[EnrollResponse]:
        """Enrolls faces. options: fields of the request; None: not set."""
        return _post(f"{self.path}/faces", {**subject_fields(image), **options}, EnrollResponse)

    def search(self, image: Any, user_ids: Iterable[str] | None, **options: Any) -> Request[SearchResponse]:
        """Identifies every face in an image. options: see `enroll`."""
        users = None if user_ids is None else list(user_ids)
        return _post(f"{self.path}/search", {**subject_fields(image), **options, "UserIds": users}, SearchResponse)

    def verify(self, user_id: str, image: Any, threshold: float | None) -> Request[VerifyResponse]:
        """Compares an image with one user."""
        return _post(f"{self._user(user_id)}/verify", {**subject_fields(image), "Threshold": threshold}, VerifyResponse)

    def create_user(
        self, user_id: str, metadata: Mapping[str, Any] | None, expires: datetime | str | None
    ) -> Request[User]:
        """Creates a user. The token makes it safe to repeat the request after a lost connection."""
        fields = {
            "UserId": user_id,
            "Metadata": metadata,
            "Expires": _time(expires),
            "ClientRequestToken": secrets.token_hex(16),
        }
        return _post(f"{self.path}/users", fields, User)

    def describe_user(self, user_id: str) -> Request[User]:
        """What is known of a user."""
        return Request("GET", self._user(user_id), None, User)

    def update_user(self, user_id: str, metadata: Any, expires: Any) -> Request[User]:
        """Replaces those fields that are not UNCHANGED."""
        fields = {"Metadata": metadata, "Expires": _time(expires)}
        changed = {name: value for name, value in fields.items() if value is not UNCHANGED}
        return Request("PATCH", self._user(user_id), msgspec.msgpack.encode(changed), User)

    def delete_user(self, user_id: str) -> Request[UserErasure]:
        """Erases a user."""
        return Request("DELETE", self._user(user_id), None, UserErasure)

    def users(self) -> Request[UserPage]:
        """Returns the first page of the users."""
        return Request("GET", f"{self.path}/users", None, UserPage)

    def faces(self, user_id: str | None) -> Request[FacePage]:
        """Returns the first page of the faces."""
        query = "" if user_id is None else f"?{urlencode({'UserId': user_id})}"
        return Request("GET", f"{self.path}/faces{query}", None, FacePage)

    def delete_faces(self, face_ids: Iterable[str]) -> Request[DeleteFacesResponse]:
        """Deletes faces."""
        return _post(f"{self.path}/faces/delete", {"FaceIds": list(face_ids)}, DeleteFacesResponse)

    def import_lines(self, batch: list[bytes]) -> Request[ImportResponse]:
        """Imports one batch of lines."""
        return Request("POST", f"{self.path}/import", b"\n".join(batch), ImportResponse)

    def _user(self, user_id: str) -> str:
        return f"{self.path}/users/{quote(user_id, safe='')}"


@dataclass(slots=True)
class ImportTotal:
    """The reports of an import's requests, added up."""

    _lines: int = 0
    _counts: list[int] = field(default_factory=lambda: [0, 0, 0])
    _errors: list[ImportedLine] = field(default_factory=list)

    def add(self, batch: list[bytes], report: ImportResponse) -> None:
        """Adds the report of one batch of lines."""
        counts = (report.imported_face_count, report.unchanged_face_count, report.failed_line_count)
        self._counts = [one + more for one, more in zip(self._counts, counts, strict=True)]
        self._errors += [ImportedLine(each.line + self._lines, each.message) for each in report.errors]
        self._lines += len(batch)

    def response(self) -> ImportResponse:
        """Returns the total; numbers of bad lines count from the first line of the first batch."""
        imported, unchanged, failed = self._counts
        return ImportResponse(
            imported_face_count=imported,
            unchanged_face_count=unchanged,
            failed_line_count=failed,
            errors=tuple(self._errors),
        )


def batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines, without their ends, in lists of about IMPORT_BYTES."""
    batch: list[bytes] = []
    size = 0
    for line in lines:
        stripped = line.rstrip(b"\r\n")
        if batch and size + len(stripped) > IMPORT_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(stripped)
        size += len(stripped) + 1
    if batch:
        yield batch


def _post(path: str, fields: Mapping[str, Any], response_type: type[_T]) -> Request[_T]:
    return Request("POST", path, msgspec.msgpack.encode(without_none(fields)), response_type)


def _time(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
