"""Collections of a service: enroll people, and find out whose face it is.

with Client("http://localhost:8080/prod") as faces:
    staff = faces.create_collection("staff", max_false_positive_rate=0.001)
    staff.enroll("badge.jpg", user_id="u-17")
    for face in staff.search("door.jpg").faces:
        print(face.decision, face.user_id)
    staff.delete_user("u-17")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from face_comparison.api.collections import (
    CollectionDescription,
    DeleteFacesResponse,
    EnrolledFace,
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
from face_comparison.client.images import subject_fields

if TYPE_CHECKING:
    from face_comparison.client.images import Subject

_Page = TypeVar("_Page", FacePage, UserPage)

IMPORT_BYTES = 4 * 2**20
"""Lines are imported in requests of about this size."""


class Transport(Protocol):
    """What sends requests; the methods of `Client` that a collection uses."""

    def call(self, method: str, path: str, body: bytes | None = None, response_type: Any = Any) -> Any:
        """Returns the response of a route, decoded to the type."""
        ...

    def stream_lines(self, path: str) -> Iterator[bytes]:
        """Yields the lines of a streamed response."""
        ...


class Collection:
    """One collection of a service; made by `Client.collection` without asking the service."""

    def __init__(self, transport: Transport, name: str) -> None:
        self._transport = transport
        self._path = f"/collections/{quote(name, safe='')}"
        self.name = name

    def describe(self) -> CollectionDescription:
        """Returns what the collection holds, and the threshold of a search in it."""
        found: CollectionDescription = self._transport.call("GET", self._path, None, CollectionDescription)
        return found

    def delete(self) -> Erasure:
        """Deletes the collection with all that is in it."""
        receipt: Erasure = self._transport.call("DELETE", self._path, None, Erasure)
        return receipt

    def enroll(
        self,
        image: Subject,
        *,
        user_id: str | None = None,
        external_image_id: str | None = None,
        max_faces: int | None = None,
        quality_filter: str | None = None,
        on_duplicate: str | None = None,
    ) -> EnrollResponse:
        """Enrolls the most prominent face of an image for a user, or all faces without one.

        Args:
            image: An image, a detected face, or a hash.
            user_id: Whose face it is; a user that does not exist is created.
            external_image_id: Your id of the image, kept with its faces.
            max_faces: Maximum faces to enroll. The default is 1 with a user, otherwise 100.
            quality_filter: `NONE`, `AUTO` (the default), `LOW`, `MEDIUM` or `HIGH`.
            on_duplicate: What to do with a face that resembles another user: `report` (the default), `refuse`, `allow`.

        Raises:
            ServiceError: if the service responds with an error.
            ServiceUnreachable: if there is no response before the deadline.
        """
        options = {
            "UserId": user_id,
            "ExternalImageId": external_image_id,
            "MaxFaces": max_faces,
            "QualityFilter": quality_filter,
            "OnDuplicate": on_duplicate,
        }
        found: EnrollResponse = self._post("/faces", {**subject_fields(image), **_given(options)}, EnrollResponse)
        return found

    def search(
        self,
        image: Subject,
        *,
        max_faces: int | None = None,
        max_matches: int | None = None,
        max_false_positive_rate: float | None = None,
        threshold: float | None = None,
        user_ids: Iterable[str] | None = None,
    ) -> SearchResponse:
        """Identifies every face of an image.

        Args:
            image: An image, a detected face, or a hash.
            max_faces: Maximum faces to search; the most prominent are kept.
            max_matches: Maximum matches per face.
            max_false_positive_rate: Fraction (0-1) of searches for strangers that may return somebody. The default is
                the collection's.
            threshold: Maximum distance (0-2) of a match, instead of the one from the rate.
            user_ids: Search only these users.

        Raises:
            ServiceError: if the service responds with an error.
            ServiceUnreachable: if there is no response before the deadline.
        """
        options = {
            "MaxFaces": max_faces,
            "MaxMatches": max_matches,
            "MaxFalsePositiveRate": max_false_positive_rate,
            "Threshold": threshold,
            "UserIds": None if user_ids is None else list(user_ids),
        }
        found: SearchResponse = self._post("/search", {**subject_fields(image), **_given(options)}, SearchResponse)
        return found

    def verify(self, user_id: str, image: Subject, *, threshold: float | None = None) -> VerifyResponse:
        """Compares an image with all faces of one user (1:1).

        Args:
            user_id: The user.
            image: An image, a detected face, or a hash.
            threshold: Maximum distance (0-2) of the same person. The default is that of the service's bundle.

        Raises:
            ServiceError: if the service responds with an error.
            ServiceUnreachable: if there is no response before the deadline.
        """
        fields = {**subject_fields(image), **_given({"Threshold": threshold})}
        found: VerifyResponse = self._post(f"/users/{quote(user_id, safe='')}/verify", fields, VerifyResponse)
        return found

    def create_user(
        self, user_id: str, *, metadata: Mapping[str, Any] | None = None, expires: datetime | str | None = None
    ) -> User:
        """Creates a user; expires: when the service erases it."""
        when = expires.isoformat() if isinstance(expires, datetime) else expires
        fields = _given({"UserId": user_id, "Metadata": metadata, "Expires": when})
        user: User = self._post("/users", fields, User)
        return user

    def users(self) -> Iterator[User]:
        """Yields all users, page by page."""
        return (user for page in self._pages("/users", UserPage) for user in page.users)

    def faces(self, user_id: str | None = None) -> Iterator[EnrolledFace]:
        """Yields all faces, or those of a user, page by page."""
        return (face for page in self._pages("/faces", FacePage, _given({"UserId": user_id})) for face in page.faces)

    def delete_user(self, user_id: str) -> UserErasure:
        """Erases a user with all faces."""
        path = f"{self._path}/users/{quote(user_id, safe='')}"
        receipt: UserErasure = self._transport.call("DELETE", path, None, UserErasure)
        return receipt

    def delete_faces(self, face_ids: Iterable[str]) -> DeleteFacesResponse:
        """Deletes faces; those that are not there are reported in `unsuccessful_face_deletions`."""
        receipt: DeleteFacesResponse = self._post("/faces/delete", {"FaceIds": list(face_ids)}, DeleteFacesResponse)
        return receipt

    def export_lines(self) -> Iterator[bytes]:
        """Yields all faces with their hashes, one line of JSON each."""
        return self._transport.stream_lines(f"{self._path}/export")

    def import_lines(self, lines: Iterable[bytes]) -> ImportResponse:
        """Imports exported lines, in several requests.

        Returns:
            The service's reports added up; the numbers of bad lines count from the first line given.
        """
        imported = unchanged = failed = done = 0
        errors: list[ImportedLine] = []
        for batch in _batches(lines):
            body = b"\n".join(batch)
            report: ImportResponse = self._transport.call("POST", f"{self._path}/import", body, ImportResponse)
            imported += report.imported_face_count
            unchanged += report.unchanged_face_count
            failed += report.failed_line_count
            errors += [ImportedLine(each.line + done, each.message) for each in report.errors]
            done += len(batch)
        return ImportResponse(
            imported_face_count=imported,
            unchanged_face_count=unchanged,
            failed_line_count=failed,
            errors=tuple(errors),
        )

    def _post(self, path: str, fields: Mapping[str, Any], response_type: Any) -> Any:
        return self._transport.call("POST", self._path + path, msgspec.msgpack.encode(fields), response_type)

    def _pages(self, path: str, page_type: type[_Page], query: Mapping[str, str] | None = None) -> Iterator[_Page]:
        token: dict[str, str] = {}
        while True:
            text = urlencode({**(query or {}), **token})
            page: _Page = self._transport.call("GET", f"{self._path}{path}?{text}", None, page_type)
            yield page
            if page.next_token is None:
                return
            token = {"NextToken": page.next_token}


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
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


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
