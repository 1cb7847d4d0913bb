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

from ..api.collections import (
    CollectionDescription,
    DeleteFacesResponse,
    EnrolledFace,
    EnrollResponse,
    Erasure,
    ImportResponse,
    SearchResponse,
    User,
    UserErasure,
    VerifyResponse,
)
from .collection_calls import (
    UNCHANGED,
    CollectionCalls,
    ImportTotal,
    Page,
    Request,
    batches,
    next_page,
)

if TYPE_CHECKING:
    from .images import Subject

_T = TypeVar("_T")


class Transport(Protocol):
    """What sends requests; the methods of `Client` that a collection uses."""

    def call(self, method: str, path: str, body: bytes | None = None, response_type: Any = Any) -> Any:
        """Returns the response of a route, decoded to the type."""
        ...

    def stream_lines(self, path: str) -> Iterator[bytes]:
        """Yields the lines of a streamed response."""
        ...


def send(transport: Transport, request: Request[_T]) -> _T:
    """Returns the response to a request. Raises ServiceError, ServiceUnreachable."""
    found: _T = transport.call(request.method, request.path, request.body, request.response_type)
    return found


def pages(transport: Transport, first: Request[Page]) -> Iterator[Page]:
    """Yields a page, and all behind it. Raises ServiceError, ServiceUnreachable."""
    request: Request[Page] | None = first
    while request is not None:
        page = send(transport, request)
        yield page
        request = next_page(request, page)


class Collection:
    """A collection of a service. `Client.collection` returns one without sending a request."""

    def __init__(self, transport: Transport, name: str) -> None:
        self._transport = transport
        self._calls = CollectionCalls(name)
        self.name = name

    def describe(self) -> CollectionDescription:
        """Returns the current state of the collection: its counts, settings, and search threshold."""
        return send(self._transport, self._calls.describe())

    def delete(self) -> Erasure:
        """Deletes the collection and everything in it."""
        return send(self._transport, self._calls.delete())

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
        """Enrolls the most prominent face in an image for a user, or all faces if no user is given.

        Args:
            image: An image, a detected face, or a hash.
            user_id: Id of the person in the image; the user is created if it does not exist.
            external_image_id: Your own id for the image, stored with its faces.
            max_faces: Maximum faces to enroll. The default is 1 if a user is given, otherwise 100.
            quality_filter: `NONE`, `AUTO` (the default), `LOW`, `MEDIUM` or `HIGH`.
            on_duplicate: What to do with a face that resembles another user: `report` (the default), `refuse`, `allow`.

        Raises:
            ServiceError: if the service responds with an error.
            ServiceUnreachable: if there is no response before the deadline.
        """
        return send(
            self._transport,
            self._calls.enroll(
                image,
                UserId=user_id,
                ExternalImageId=external_image_id,
                MaxFaces=max_faces,
                QualityFilter=quality_filter,
                OnDuplicate=on_duplicate,
            ),
        )

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
        """Identifies every face in an image.

        Args:
            image: An image, a detected face, or a hash.
            max_faces: Maximum faces to search; the most prominent are kept.
            max_matches: Maximum matches per face.
            max_false_positive_rate: Maximum fraction (0-1) of searches for strangers that return a match. The default
                is the collection's.
            threshold: Maximum distance (0-2) of a match; it replaces the threshold derived from the rate.
            user_ids: Search only these users.

        Raises:
            ServiceError: if the service responds with an error.
            ServiceUnreachable: if there is no response before the deadline.
        """
        return send(
            self._transport,
            self._calls.search(
                image,
                user_ids,
                MaxFaces=max_faces,
                MaxMatches=max_matches,
                MaxFalsePositiveRate=max_false_positive_rate,
                Threshold=threshold,
            ),
        )

    def verify(self, user_id: str, image: Subject, *, threshold: float | None = None) -> VerifyResponse:
        """Compares an image with all faces of one user (1:1).

        Args:
            user_id: The user.
            image: An image, a detected face, or a hash.
            threshold: Maximum distance (0-2) between faces of the same person. The default is that of the service's
                bundle.

        Raises:
            ServiceError: if the service responds with an error.
            ServiceUnreachable: if there is no response before the deadline.
        """
        return send(self._transport, self._calls.verify(user_id, image, threshold))

    def create_user(
        self, user_id: str, *, metadata: Mapping[str, Any] | None = None, expires: datetime | str | None = None
    ) -> User:
        """Creates a user, which the service erases when `expires` is reached."""
        return send(self._transport, self._calls.create_user(user_id, metadata, expires))

    def user(self, user_id: str) -> User:
        """Returns a user. Raises ServiceError: `not_found` if there is no such user."""
        return send(self._transport, self._calls.describe_user(user_id))

    def update_user(
        self,
        user_id: str,
        *,
        metadata: Mapping[str, Any] = UNCHANGED,
        expires: datetime | str | None = UNCHANGED,
    ) -> User:
        """Replaces the metadata or expiration of a user.

        Arguments that are left out change nothing, and None removes the expiration.
        """
        return send(self._transport, self._calls.update_user(user_id, metadata, expires))

    def users(self) -> Iterator[User]:
        """Yields all users, page by page."""
        return (user for page in pages(self._transport, self._calls.users()) for user in page.users)

    def faces(self, user_id: str | None = None) -> Iterator[EnrolledFace]:
        """Yields all faces, or those of a user, page by page."""
        return (face for page in pages(self._transport, self._calls.faces(user_id)) for face in page.faces)

    def delete_user(self, user_id: str) -> UserErasure:
        """Erases a user and all of its faces."""
        return send(self._transport, self._calls.delete_user(user_id))

    def delete_faces(self, face_ids: Iterable[str]) -> DeleteFacesResponse:
        """Deletes faces; `unsuccessful_face_deletions` lists those that do not exist."""
        return send(self._transport, self._calls.delete_faces(face_ids))

    def export_lines(self) -> Iterator[bytes]:
        """Yields every face with its hash, one line of JSON per face."""
        return self._transport.stream_lines(f"{self._calls.path}/export")

    def import_lines(self, lines: Iterable[bytes]) -> ImportResponse:
        """Imports the lines of an export, in several requests.

        Returns:
            The combined report of all requests; line numbers count from the first of `lines`.
        """
        total = ImportTotal()
        for batch in batches(lines):
            total.add(batch, send(self._transport, self._calls.import_lines(batch)))
        return total.response()
