"""Access to collections for the command line: in a store that is opened here, or through a service.

Both return the service's responses, so commands work the same with either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from face_comparison.errors import NoFace, ServiceUnusable

if TYPE_CHECKING:
    from face_comparison.api.collections import (
        CollectionDescription,
        EnrollResponse,
        Erasure,
        ImportResponse,
        SearchResponse,
        User,
        UserErasure,
    )
    from face_comparison.client import Client
    from face_comparison.collections.probe import Probe
    from face_comparison.collections.service import CollectionService
    from face_comparison.vision.analyzer import Analyzer

T = TypeVar("T")


class CollectionAccess(Protocol):
    """The operations on collections, wherever the collections are stored.

    `name` is the name of the collection. Every method may raise ServiceUnusable, or an error of the store.
    """

    def create(self, name: str, rate: float | None, retention_days: int | None) -> CollectionDescription:
        """Creates a collection. None stands for the default rate, and for no retention limit."""
        ...

    def collections(self) -> list[CollectionDescription]:
        """Returns all collections, by name."""
        ...

    def users(self, name: str) -> Iterator[User]:
        """Yields all users, by UserId."""
        ...

    def enrolled(self, name: str) -> set[tuple[str | None, str | None]]:
        """Returns the UserId and ExternalImageId of every enrolled face."""
        ...

    def enroll(self, name: str, image: bytes, **fields: Any) -> EnrollResponse:
        """Enrolls an image; `fields` may be UserId, ExternalImageId, QualityFilter, and OnDuplicate."""
        ...

    def search(self, name: str, image: bytes, **fields: Any) -> SearchResponse:
        """Searches for the faces in an image; `fields` may be MaxFalsePositiveRate, Threshold, and MaxMatches."""
        ...

    def delete_collection(self, name: str) -> Erasure:
        """Deletes a collection and everything in it, and returns the receipt."""
        ...

    def delete_user(self, name: str, user_id: str) -> UserErasure:
        """Erases a user and all of its faces, and returns the receipt."""
        ...

    def export(self, name: str) -> Iterator[bytes]:
        """Yields one line of JSON per face, without a newline."""
        ...

    def import_(self, name: str, lines: Iterable[bytes]) -> ImportResponse:
        """Imports the lines of an export; invalid ones are listed in the response."""
        ...


class RemoteCollections:
    """The collections of a service. Methods raise ServiceUnusable if the service rejects a request."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def create(self, name: str, rate: float | None, retention_days: int | None) -> CollectionDescription:
        def create() -> CollectionDescription:
            collection = self._client.create_collection(
                name, max_false_positive_rate=rate, retention_days=retention_days
            )
            return collection.describe()

        return _call_service(create)

    def collections(self) -> list[CollectionDescription]:
        return _call_service(self._client.collections)

    def users(self, name: str) -> Iterator[User]:
        return iter(_call_service(lambda: list(self._client.collection(name).users())))

    def enrolled(self, name: str) -> set[tuple[str | None, str | None]]:
        return _call_service(
            lambda: {(face.user_id, face.external_image_id) for face in self._client.collection(name).faces()}
        )

    def enroll(self, name: str, image: bytes, **fields: Any) -> EnrollResponse:
        from face_comparison.api.collections import EnrollResponse  # noqa: PLC0415

        found: EnrollResponse = self._post(name, "faces", {"img": image, **fields}, EnrollResponse)
        return found

    def search(self, name: str, image: bytes, **fields: Any) -> SearchResponse:
        from face_comparison.api.collections import SearchResponse  # noqa: PLC0415

        found: SearchResponse = self._post(name, "search", {"img": image, **fields}, SearchResponse)
        return found

    def delete_collection(self, name: str) -> Erasure:
        return _call_service(self._client.collection(name).delete)

    def delete_user(self, name: str, user_id: str) -> UserErasure:
        return _call_service(lambda: self._client.collection(name).delete_user(user_id))

    def export(self, name: str) -> Iterator[bytes]:
        lines = self._client.collection(name).export_lines()
        while (line := _call_service(lambda: next(lines, None))) is not None:
            yield line

    def import_(self, name: str, lines: Iterable[bytes]) -> ImportResponse:
        return _call_service(lambda: self._client.collection(name).import_lines(lines))

    def _post(self, name: str, route: str, fields: dict[str, Any], response_type: Any) -> Any:
        import msgspec  # noqa: PLC0415

        body = msgspec.msgpack.encode(fields)
        return _call_service(lambda: self._client.call("POST", f"/collections/{name}/{route}", body, response_type))


class LocalCollections:
    """The collections of a store that is opened here.

    Args:
        service: The collection service.
        load: Loads the analyzer, which only some commands need.
    """

    def __init__(self, service: CollectionService, load: Callable[[], Analyzer]) -> None:
        self._service = service
        self._load = load

    def create(self, name: str, rate: float | None, retention_days: int | None) -> CollectionDescription:
        from face_comparison.collections.service import DEFAULT_RATE  # noqa: PLC0415
        from face_comparison.wire.collection_responses import to_collection  # noqa: PLC0415

        rate = DEFAULT_RATE if rate is None else rate
        return to_collection(
            self._service.create_collection(name, max_false_positive_rate=rate, retention_days=retention_days)
        )

    def collections(self) -> list[CollectionDescription]:
        from face_comparison.wire.collection_responses import to_collection  # noqa: PLC0415

        return [to_collection(info) for info in _read_all_pages(self._service.list_collections)]

    def users(self, name: str) -> Iterator[User]:
        from face_comparison.wire.collection_responses import to_user  # noqa: PLC0415

        return (to_user(user) for user in _read_all_pages(self._service.list_users, name))

    def enrolled(self, name: str) -> set[tuple[str | None, str | None]]:
        return {(face.user_id, face.external_image_id) for face in _read_all_pages(self._service.list_faces, name)}

    def enroll(self, name: str, image: bytes, **fields: Any) -> EnrollResponse:
        from face_comparison.wire.collection_responses import to_enroll_response  # noqa: PLC0415

        probe = self._probe(image)
        if not probe.faces:
            raise NoFace("no face was found in the image")
        found = self._service.enroll(
            name,
            probe,
            user_id=fields.get("UserId"),
            external_image_id=fields.get("ExternalImageId"),
            quality_filter=fields.get("QualityFilter", "AUTO"),
            on_duplicate=fields.get("OnDuplicate", "report"),
        )
        return to_enroll_response(found, self._analyzer.model.version, self._service.confidence)

    def search(self, name: str, image: bytes, **fields: Any) -> SearchResponse:
        from face_comparison.collections.service import DEFAULT_MATCHES  # noqa: PLC0415
        from face_comparison.wire.collection_responses import to_search_response  # noqa: PLC0415

        probe = self._probe(image)
        found = self._service.search(
            name,
            probe.vectors,
            max_false_positive_rate=fields.get("MaxFalsePositiveRate"),
            threshold=fields.get("Threshold"),
            max_matches=fields.get("MaxMatches", DEFAULT_MATCHES),
            reliable=probe.reliable,
        )
        return to_search_response(found, probe.faces, name, self._analyzer.model.version, self._service.confidence)

    def delete_collection(self, name: str) -> Erasure:
        from face_comparison.wire.collection_responses import to_erasure  # noqa: PLC0415

        return to_erasure(self._service.delete_collection(name))

    def delete_user(self, name: str, user_id: str) -> UserErasure:
        from face_comparison.wire.collection_responses import to_user_erasure  # noqa: PLC0415

        return to_user_erasure(user_id, self._service.delete_user(name, user_id))

    def export(self, name: str) -> Iterator[bytes]:
        from face_comparison.wire.transfer import export_lines  # noqa: PLC0415

        collection, faces = self._service.export_faces(name)
        return (line.rstrip(b"\n") for line in export_lines(faces, collection.model_version))

    def import_(self, name: str, lines: Iterable[bytes]) -> ImportResponse:
        from face_comparison.wire.collection_responses import to_import_response  # noqa: PLC0415
        from face_comparison.wire.transfer import import_lines  # noqa: PLC0415

        version = self._service.describe_collection(name).collection.model_version
        return to_import_response(self._service.import_faces(name, import_lines(lines, version)))

    @cached_property
    def _analyzer(self) -> Analyzer:
        return self._load()

    def _probe(self, image: bytes) -> Probe:
        from face_comparison.collections.probe import Probe  # noqa: PLC0415

        return Probe.from_analysis(
            self._analyzer.analyze(image), hashlib.sha256(image).digest(), self._analyzer.model.sure_confidence
        )


def _read_all_pages(call: Callable[..., Any], *arguments: Any) -> Iterator[Any]:
    token = None
    while True:
        page = call(*arguments, limit=4096, token=token)
        yield from page.items
        token = page.next_token
        if token is None:
            return


def _call_service(call: Callable[[], T]) -> T:
    """Calls the service and returns the result.

    Raises:
        ServiceUnusable: The service rejected the request or does not respond; the message has its code and message.
    """
    from face_comparison.client import ServiceError, ServiceUnreachable  # noqa: PLC0415

    try:
        return call()
    except ServiceError as error:
        raise ServiceUnusable(f"{error.code}: {error.message}") from error
    except ServiceUnreachable as error:
        raise ServiceUnusable(str(error)) from error
