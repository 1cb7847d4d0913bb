"""What all groups of collection routes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import Response, g, request

from face_comparison.api.responses import Response as ApiResponse
from face_comparison.collections.probe import Probe
from face_comparison.collections.service import CollectionService
from face_comparison.serving.face_service import FaceService
from face_comparison.serving.permit import Permit
from face_comparison.web.collections.audit import audited, note
from face_comparison.web.endpoint import Endpoint
from face_comparison.web.permissions import Permission
from face_comparison.web.request_body import Received
from face_comparison.wire.requests import FaceHash, ImageOrHash


@dataclass(frozen=True, slots=True)
class CollectionRoutes:
    """A group of routes.

    Attributes:
        endpoint: Checks requests and encodes responses.
        faces: Finds the faces in images.
        service: The collections.
    """

    endpoint: Endpoint
    faces: FaceService
    service: CollectionService

    def answer(
        self,
        action: str,
        handle: Callable[[CollectionService, Received, Permit], ApiResponse],
        *permissions: Permission,
        collection: str = "",
    ) -> Response:
        """Handles a request with a body, and writes its audit line."""

        def audited_handle(body: Received, permit: Permit) -> ApiResponse:
            with audited(action, collection):
                return handle(self.service, body, permit)

        return self.endpoint.answer(audited_handle, *permissions)

    def answer_head(
        self,
        action: str,
        handle: Callable[[CollectionService], ApiResponse],
        *permissions: Permission,
        collection: str = "",
    ) -> Response:
        """Handles a request without a body, and writes its audit line."""

        def audited_handle() -> ApiResponse:
            with audited(action, collection):
                return handle(self.service)

        return self.endpoint.answer_head(audited_handle, *permissions)

    def probe(self, subject: ImageOrHash, permit: Permit, max_faces: int) -> Probe:
        """Returns the faces in an image, or the hash itself, ready to be enrolled or searched for."""
        if isinstance(subject, FaceHash):
            return Probe.from_hash(subject.vector)
        analysis, digest = self.faces.analyze(subject, permit, g.stages, max_faces)
        return Probe.from_analysis(analysis, digest, self.faces.model.sure_confidence)

    def note_user(self, service: CollectionService, collection_id: str, user_id: str | None) -> None:
        """Adds the pseudonym of a user to the audit line."""
        if user_id is not None:
            note(subject=service.subject(collection_id, user_id))


def content_type() -> str:
    """Returns the declared type of the request's body."""
    return request.headers.get("Content-Type", "")
