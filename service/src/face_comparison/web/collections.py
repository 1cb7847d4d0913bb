"""Collection routes: calls to `CollectionService`, responses, permissions, and the audit log.

The OpenAPI document describes each route.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from flask import Flask, Response, g, request

from face_comparison.api.limits import MAX_FACES
from face_comparison.api.responses import Response as ApiResponse
from face_comparison.collections.identifiers import check_face_id
from face_comparison.collections.probe import Probe
from face_comparison.collections.results import SearchResult
from face_comparison.collections.service import CollectionService
from face_comparison.errors import FaceComparisonError, FaceNotFound, NoFace, StoreUnavailable
from face_comparison.observability import logs, metrics
from face_comparison.serving.admission import Permit
from face_comparison.serving.face_service import FaceService
from face_comparison.web.permissions import ADMIN, ENROLL, ERASE, SEARCH, Permission
from face_comparison.web.request_body import Received
from face_comparison.wire import collection_requests as requests
from face_comparison.wire import collection_responses as responses
from face_comparison.wire.formats.shapes import LIST_FIELDS
from face_comparison.wire.requests import FaceHash, ImageOrHash
from face_comparison.wire.transfer import NDJSON, export_parts, import_lines, split_lines

AnyResponse: TypeAlias = ApiResponse | Mapping[str, Any]
"""What a handler returns: a response of this API, or one in Amazon Rekognition's format."""

READ = (SEARCH, ENROLL, ERASE, ADMIN)
"""Any permission for collections includes listing and describing them."""

_PATH = re.compile(r"/[^/]+/face[_-]comparison/collections(/|$)")
_REGISTERED = "face_comparison.collections"


class Endpoint(Protocol):
    """Handles a request under the stage: readiness, authorization, admission, encoding."""

    def answer(self, handle: Callable[[Received, Permit], AnyResponse], *permissions: Permission) -> Response:
        """Handles a request with a body, from a caller with one of the permissions."""
        ...

    def answer_head(self, handle: Callable[[], AnyResponse], *permissions: Permission) -> Response:
        """Handles a request without a body, from a caller with one of the permissions."""
        ...

    def answer_stream(
        self, handle: Callable[[], Iterator[bytes]], media_type: str, *permissions: Permission
    ) -> Response:
        """Handles a request without a body by streaming parts, computed one by one as the client reads them."""
        ...


@dataclass(frozen=True, slots=True)
class CollectionRoutes:
    """The handlers of all collection routes."""

    endpoint: Endpoint
    faces: FaceService
    service: CollectionService

    # --- collections ---

    def create(self) -> Response:
        """Creates a collection."""

        def handle(service: CollectionService, body: Received, _: Permit) -> ApiResponse:
            wanted = requests.create_request(body, _content_type())
            info = service.create_collection(
                wanted.collection_id,
                max_false_positive_rate=wanted.max_false_positive_rate,
                retention_days=wanted.retention_days,
                metadata=wanted.metadata,
            )
            note(collection=wanted.collection_id)
            return responses.to_collection(info)

        return self._answer("create_collection", handle, ADMIN)

    def list_collections(self) -> Response:
        """Returns one page of the collections."""

        def handle(service: CollectionService) -> ApiResponse:
            page = requests.page_request(request.args)
            return responses.to_collection_page(service.list_collections(limit=page.limit, token=page.token))

        return self._answer_head("list_collections", handle, *READ)

    def describe(self, collection_id: str) -> Response:
        """Describes a collection."""

        def handle(service: CollectionService) -> ApiResponse:
            info = service.describe_collection(collection_id)
            metrics.COLLECTION_FACES.update(collection_id, info.collection.faces)
            return responses.to_collection(info)

        return self._answer_head("describe_collection", handle, *READ, collection=collection_id)

    def delete(self, collection_id: str) -> Response:
        """Deletes a collection and everything in it."""

        def handle(service: CollectionService) -> ApiResponse:
            erasure = service.delete_collection(collection_id)
            metrics.COLLECTION_FACES.update(collection_id, None)
            note(faces=erasure.faces)
            return responses.to_erasure(erasure)

        return self._answer_head("delete_collection", handle, ADMIN, collection=collection_id)

    # --- faces ---

    def enroll(self, collection_id: str) -> Response:
        """Enrolls the faces in an image, or a hash."""

        def handle(service: CollectionService, body: Received, permit: Permit) -> ApiResponse:
            version = service.check_usable(collection_id).model_version
            wanted = requests.enroll_request(body, _content_type(), request.args, version)
            probe = self._probe(wanted.subject, permit, MAX_FACES)
            if not probe.faces:
                raise NoFace("no face was found in the image: use one in which the face is larger and sharper")
            done = service.enroll(
                collection_id,
                probe,
                user_id=wanted.user_id,
                external_image_id=wanted.external_image_id,
                max_faces=wanted.max_faces,
                quality_filter=wanted.quality_filter,
                on_duplicate=wanted.on_duplicate,
            )
            self._note_user(service, collection_id, wanted.user_id)
            note(faces=len(done.records), unindexed=len(done.unindexed), duplicates=len(done.duplicates))
            return responses.to_enroll_response(done, version, service.confidence)

        return self._answer("enroll", handle, ENROLL, collection=collection_id)

    def list_faces(self, collection_id: str) -> Response:
        """Returns one page of the faces, or of those of a user."""

        def handle(service: CollectionService) -> ApiResponse:
            page = requests.page_request(request.args)
            version = service.describe_collection(collection_id).collection.model_version
            found = service.list_faces(collection_id, user_id=page.user_id, limit=page.limit, token=page.token)
            return responses.to_face_page(found, version)

        return self._answer_head("list_faces", handle, *READ, collection=collection_id)

    def delete_face(self, collection_id: str, face_id: str) -> Response:
        """Deletes one face; 404 if it does not exist."""

        def handle(service: CollectionService) -> ApiResponse:
            wanted = check_face_id(face_id)
            erasure, deleted = service.delete_faces(collection_id, [wanted])
            if not deleted:
                raise FaceNotFound(f"the collection has no face {wanted}")
            note(faces=erasure.faces)
            return responses.to_delete_faces_response(erasure, deleted, [wanted])

        return self._answer_head("delete_faces", handle, ERASE, collection=collection_id)

    def delete_faces(self, collection_id: str) -> Response:
        """Deletes faces; those that do not exist are reported."""

        def handle(service: CollectionService, body: Received, _: Permit) -> ApiResponse:
            face_ids = requests.face_ids_request(body, _content_type())
            erasure, deleted = service.delete_faces(collection_id, face_ids)
            note(faces=erasure.faces)
            return responses.to_delete_faces_response(erasure, deleted, face_ids)

        return self._answer("delete_faces", handle, ERASE, collection=collection_id)

    # --- searching ---

    def search(self, collection_id: str) -> Response:
        """Identifies every face in an image."""

        def handle(service: CollectionService, body: Received, permit: Permit) -> ApiResponse:
            version = service.check_usable(collection_id).model_version
            wanted = requests.search_request(body, _content_type(), _query(), version)
            probe = self._probe(wanted.subject, permit, wanted.max_faces)
            found = measured_search(
                lambda: service.search(
                    collection_id,
                    probe.vectors,
                    max_false_positive_rate=wanted.rate,
                    threshold=wanted.threshold,
                    users=wanted.users,
                    max_matches=wanted.max_matches,
                    reliable=probe.reliable,
                )
            )
            return responses.to_search_response(found, probe.faces, collection_id, version, service.confidence)

        return self._answer("search", handle, SEARCH, collection=collection_id)

    def verify(self, collection_id: str, user_id: str) -> Response:
        """Compares an image with all faces of one user."""

        def handle(service: CollectionService, body: Received, permit: Permit) -> ApiResponse:
            version = service.check_usable(collection_id).model_version
            wanted = requests.verify_request(body, _content_type(), request.args, version)
            user = service.describe_user(collection_id, user_id)  # fails before an image is analyzed for nothing
            probe = self._probe(wanted.subject, permit, MAX_FACES)
            if not probe.faces:
                raise NoFace("no face was found in the image")
            faces = list(zip(probe.faces, service.verify(collection_id, user_id, probe.vectors), strict=True))
            calibration = self.faces.model.calibration(wanted.threshold)
            response = responses.to_verify_response(user_id, version, faces, calibration, service.confidence)
            self._note_user(service, collection_id, user_id)
            note(n=user.faces, decision=response.verdict)
            return response

        return self._answer("verify", handle, SEARCH, collection=collection_id)

    # --- users ---

    def create_user(self, collection_id: str) -> Response:
        """Creates a user."""

        def handle(service: CollectionService, body: Received, _: Permit) -> ApiResponse:
            wanted = requests.user_request(body, _content_type())
            parameters = [collection_id, wanted.user_id, wanted.metadata, wanted.expires]
            user = service.create_user(
                collection_id,
                wanted.user_id,
                metadata=wanted.metadata,
                expires=wanted.expires,
                token=service.request_token("POST users", {"parameters": parameters}, wanted.token),
            )
            if user is None:  # Never after creating one: it may be deleted, or have expired, meanwhile.
                user = service.describe_user(collection_id, wanted.user_id)
            self._note_user(service, collection_id, wanted.user_id)
            return responses.to_user(user)

        return self._answer("create_user", handle, ENROLL, collection=collection_id)

    def list_users(self, collection_id: str) -> Response:
        """Returns one page of the users."""

        def handle(service: CollectionService) -> ApiResponse:
            page = requests.page_request(request.args)
            return responses.to_user_page(service.list_users(collection_id, limit=page.limit, token=page.token))

        return self._answer_head("list_users", handle, *READ, collection=collection_id)

    def describe_user(self, collection_id: str, user_id: str) -> Response:
        """Describes a user."""

        def handle(service: CollectionService) -> ApiResponse:
            return responses.to_user(service.describe_user(collection_id, user_id))

        return self._answer_head("describe_user", handle, *READ, collection=collection_id)

    def update_user(self, collection_id: str, user_id: str) -> Response:
        """Changes the metadata or expiration of a user."""

        def handle(service: CollectionService, body: Received, _: Permit) -> ApiResponse:
            change = requests.user_change(body, _content_type())
            user = service.update_user(collection_id, user_id, metadata=change.metadata, expires=change.expires)
            self._note_user(service, collection_id, user_id)
            return responses.to_user(user)

        return self._answer("update_user", handle, ENROLL, collection=collection_id)

    def delete_user(self, collection_id: str, user_id: str) -> Response:
        """Erases a user and all of its faces, and returns the receipt."""

        def handle(service: CollectionService) -> ApiResponse:
            erasure = service.delete_user(collection_id, user_id)
            note(subject=erasure.subject, faces=erasure.faces)
            return responses.to_user_erasure(user_id, erasure)

        return self._answer_head("delete_user", handle, ERASE, collection=collection_id)

    # --- moving data, receipts ---

    def export(self, collection_id: str) -> Response:
        """Streams every face with its hash, one line of JSON per face."""

        def handle() -> Iterator[bytes]:
            with audited("export", collection_id):
                collection, faces = self.service.export_faces(collection_id)
                parts = export_parts(faces, collection.model_version)
                first = next(parts, b"")  # An unavailable store results in an error response, not in a broken stream.
                note(faces=collection.faces)
            return chain((first,), parts)

        return self.endpoint.answer_stream(handle, NDJSON, ADMIN)

    def import_(self, collection_id: str) -> Response:
        """Imports the lines of an export; invalid lines are reported by line number."""

        def handle(service: CollectionService, body: Received, permit: Permit) -> ApiResponse:
            version = service.check_usable(collection_id).model_version
            report = service.import_faces(collection_id, import_lines(_until_over(split_lines(body), permit), version))
            note(faces=report.imported, failed=report.failed)
            return responses.to_import_response(report)

        return self._answer("import", handle, ENROLL, collection=collection_id)

    def describe_erasure(self, erasure_id: UUID) -> Response:
        """Returns the receipt of an earlier deletion."""

        def handle(service: CollectionService) -> ApiResponse:
            return responses.to_erasure(service.describe_erasure(str(erasure_id)))

        return self._answer_head("describe_erasure", handle, ERASE, ADMIN)

    # --- helpers ---

    def _answer(
        self,
        action: str,
        handle: Callable[[CollectionService, Received, Permit], ApiResponse],
        *permissions: Permission,
        collection: str = "",
    ) -> Response:
        def audited_handle(body: Received, permit: Permit) -> ApiResponse:
            with audited(action, collection):
                return handle(self.service, body, permit)

        return self.endpoint.answer(audited_handle, *permissions)

    def _answer_head(
        self,
        action: str,
        handle: Callable[[CollectionService], ApiResponse],
        *permissions: Permission,
        collection: str = "",
    ) -> Response:
        def audited_handle() -> ApiResponse:
            with audited(action, collection):
                return handle(self.service)

        return self.endpoint.answer_head(audited_handle, *permissions)

    def _probe(self, subject: ImageOrHash, permit: Permit, max_faces: int) -> Probe:
        if isinstance(subject, FaceHash):
            return Probe.from_hash(subject.vector)
        analysis, digest = self.faces.analyze(subject, permit, g.stages, max_faces)
        return Probe.from_analysis(analysis, digest, self.faces.model.sure_confidence)

    def _note_user(self, service: CollectionService, collection_id: str, user_id: str | None) -> None:
        if user_id is not None:
            note(subject=service.subject(collection_id, user_id))


def is_collection_path(path: str) -> bool:
    """Returns whether a path belongs to collections, under any stage."""
    return _PATH.match(path) is not None


def has_collections(app: Flask) -> bool:
    """Returns whether the collection routes have been registered."""
    return _REGISTERED in app.extensions


def register_collections(app: Flask, stage: str, routes: CollectionRoutes) -> None:
    """Adds the collection routes under both spellings of the endpoint."""
    rules: list[tuple[str, str, str, Callable[..., Response]]] = [
        ("create_collection", "POST", "", routes.create),
        ("list_collections", "GET", "", routes.list_collections),
        ("describe_erasure", "GET", "/erasures/<uuid:erasure_id>", routes.describe_erasure),
        ("describe_collection", "GET", "/<collection_id>", routes.describe),
        ("delete_collection", "DELETE", "/<collection_id>", routes.delete),
        ("enroll", "POST", "/<collection_id>/faces", routes.enroll),
        ("list_faces", "GET", "/<collection_id>/faces", routes.list_faces),
        ("delete_faces", "POST", "/<collection_id>/faces/delete", routes.delete_faces),
        ("delete_face", "DELETE", "/<collection_id>/faces/<face_id>", routes.delete_face),
        ("search", "POST", "/<collection_id>/search", routes.search),
        ("create_user", "POST", "/<collection_id>/users", routes.create_user),
        ("list_users", "GET", "/<collection_id>/users", routes.list_users),
        ("describe_user", "GET", "/<collection_id>/users/<user_id>", routes.describe_user),
        ("update_user", "PATCH", "/<collection_id>/users/<user_id>", routes.update_user),
        ("delete_user", "DELETE", "/<collection_id>/users/<user_id>", routes.delete_user),
        ("verify", "POST", "/<collection_id>/users/<user_id>/verify", routes.verify),
        ("export", "GET", "/<collection_id>/export", routes.export),
        ("import", "POST", "/<collection_id>/import", routes.import_),
    ]
    app.extensions[_REGISTERED] = True
    for name in ("face_comparison", "face-comparison"):
        for endpoint, method, path, view in rules:
            app.add_url_rule(f"/{stage}/{name}/collections{path}", endpoint, view, methods=[method])


@contextmanager
def audited(action: str, collection: str) -> Iterator[None]:
    """Writes the audit line of a call: caller, action, collection, gallery size, and decisions.

    It never contains a hash, score, image, or name.

    Args:
        action: The action.
        collection: The collection; empty if there is none or its name is not known yet.
    """
    g.audit = {"collection": collection} if collection else {}
    outcome = "ok"
    try:
        yield
    except BaseException as error:
        outcome = str(getattr(error, "code", getattr(error, "name", FaceComparisonError.code)))
        if outcome == StoreUnavailable.code:
            metrics.STORE_ERRORS.labels(action).inc()
        raise
    finally:
        caller = {"client": g.client} if "client" in g else {}
        logs.audit({"id": g.request_id, **caller, "action": action, "outcome": outcome, **g.audit})


def note(**fields: Any) -> None:
    """Adds fields to the audit line of the current call."""
    g.audit.update(fields)


def measured_search(search: Callable[[], SearchResult]) -> SearchResult:
    """Runs a search, records its duration and decisions in metrics, and adds the decisions to the audit line."""
    with metrics.COLLECTION_SEARCH_SECONDS.time(), g.stages.timed("search"):
        found = search()
    decisions = [face.decision for face in found.faces]
    for decision in decisions:
        metrics.COLLECTION_SEARCHES.labels(decision).inc()
    counts = {decision: decisions.count(decision) for decision in sorted(set(decisions))}
    note(n=found.gallery_size, threshold=round(found.threshold, 4), decisions=counts)
    return found


def _query() -> dict[str, str]:
    """Returns the query parameters. The values of a repeated list are joined; otherwise, the first value counts."""
    return {
        name: ",".join(values) if name in LIST_FIELDS else values[0] for name, values in request.args.lists() if values
    }


def _content_type() -> str:
    return request.headers.get("Content-Type", "")


def _until_over(lines: Iterator[bytes], permit: Permit) -> Iterator[bytes]:
    """Yields the lines until the deadline of the request passes or its client disconnects, which raises an error."""
    for number, line in enumerate(lines):
        if number % 256 == 0:
            permit.check()
        yield line
