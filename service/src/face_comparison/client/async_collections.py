"""Collections of a service for programs that run an event loop: the coroutines of `Collection`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
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


class AsyncTransport(Protocol):
    """What sends requests; the methods of `AsyncClient` that a collection uses."""

    async def call(self, method: str, path: str, body: bytes | None, response_type: type[_T]) -> _T:
        """Returns the response of a route, decoded to the type."""
        ...

    def stream_lines(self, path: str) -> AsyncIterator[bytes]:
        """Yields the lines of a streamed response."""
        ...


async def in_thread(work: Callable[[], _T]) -> _T:
    """Returns what a function returns that reads and encodes images, which would hold up the event loop."""
    import anyio.to_thread  # noqa: PLC0415 (comes with httpx)

    return await anyio.to_thread.run_sync(work)


async def send(transport: AsyncTransport, request: Request[_T]) -> _T:
    """Returns the response to a request. Raises ServiceError, ServiceUnreachable."""
    return await transport.call(request.method, request.path, request.body, request.response_type)


async def pages(transport: AsyncTransport, first: Request[Page]) -> AsyncIterator[Page]:
    """Yields a page, and all behind it. Raises ServiceError, ServiceUnreachable."""
    request: Request[Page] | None = first
    while request is not None:
        page = await send(transport, request)
        yield page
        request = next_page(request, page)


class AsyncCollection:
    """A collection of a service. `AsyncClient.collection` returns one without sending a request.

    Arguments, results and errors are those of `Collection`.
    """

    def __init__(self, transport: AsyncTransport, name: str) -> None:
        self._transport = transport
        self._calls = CollectionCalls(name)
        self.name = name

    async def describe(self) -> CollectionDescription:
        """Returns the current state of the collection: its counts, settings, and search threshold."""
        return await send(self._transport, self._calls.describe())

    async def delete(self) -> Erasure:
        """Deletes the collection and everything in it."""
        return await send(self._transport, self._calls.delete())

    async def enroll(
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

        See `Collection.enroll`.
        """
        return await self._send_made(
            partial(
                self._calls.enroll,
                image,
                UserId=user_id,
                ExternalImageId=external_image_id,
                MaxFaces=max_faces,
                QualityFilter=quality_filter,
                OnDuplicate=on_duplicate,
            )
        )

    async def search(
        self,
        image: Subject,
        *,
        max_faces: int | None = None,
        max_matches: int | None = None,
        max_false_positive_rate: float | None = None,
        threshold: float | None = None,
        user_ids: Iterable[str] | None = None,
    ) -> SearchResponse:
        """Identifies every face in an image: see `Collection.search`."""
        return await self._send_made(
            partial(
                self._calls.search,
                image,
                user_ids,
                MaxFaces=max_faces,
                MaxMatches=max_matches,
                MaxFalsePositiveRate=max_false_positive_rate,
                Threshold=threshold,
            )
        )

    async def verify(self, user_id: str, image: Subject, *, threshold: float | None = None) -> VerifyResponse:
        """Compares an image with all faces of one user (1:1): see `Collection.verify`."""
        return await self._send_made(partial(self._calls.verify, user_id, image, threshold))

    async def create_user(
        self, user_id: str, *, metadata: Mapping[str, Any] | None = None, expires: datetime | str | None = None
    ) -> User:
        """Creates a user, which the service erases when `expires` is reached."""
        return await send(self._transport, self._calls.create_user(user_id, metadata, expires))

    async def user(self, user_id: str) -> User:
        """Returns a user. Raises ServiceError: `not_found` if there is no such user."""
        return await send(self._transport, self._calls.describe_user(user_id))

    async def update_user(
        self,
        user_id: str,
        *,
        metadata: Mapping[str, Any] = UNCHANGED,
        expires: datetime | str | None = UNCHANGED,
    ) -> User:
        """Replaces the metadata or expiration of a user.

        Arguments that are left out change nothing, and None removes the expiration.
        """
        return await send(self._transport, self._calls.update_user(user_id, metadata, expires))

    async def users(self) -> AsyncIterator[User]:
        """Yields all users, page by page."""
        async for page in pages(self._transport, self._calls.users()):
            for user in page.users:
                yield user

    async def faces(self, user_id: str | None = None) -> AsyncIterator[EnrolledFace]:
        """Yields all faces, or those of a user, page by page."""
        async for page in pages(self._transport, self._calls.faces(user_id)):
            for face in page.faces:
                yield face

    async def delete_user(self, user_id: str) -> UserErasure:
        """Erases a user and all of its faces."""
        return await send(self._transport, self._calls.delete_user(user_id))

    async def delete_faces(self, face_ids: Iterable[str]) -> DeleteFacesResponse:
        """Deletes faces; `unsuccessful_face_deletions` lists those that do not exist."""
        return await send(self._transport, self._calls.delete_faces(face_ids))

    def export_lines(self) -> AsyncIterator[bytes]:
        """Yields every face with its hash, one line of JSON per face."""
        return self._transport.stream_lines(f"{self._calls.path}/export")

    async def import_lines(self, lines: Iterable[bytes]) -> ImportResponse:
        """Imports the lines of an export, in several requests: see `Collection.import_lines`."""
        total = ImportTotal()
        for batch in batches(lines):
            total.add(batch, await send(self._transport, self._calls.import_lines(batch)))
        return total.response()

    async def _send_made(self, make: Callable[[], Request[_T]]) -> _T:
        return await send(self._transport, await in_thread(make))
