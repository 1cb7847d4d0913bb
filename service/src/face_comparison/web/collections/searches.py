"""Routes that identify (1:N) and verify (1:1) people."""

from __future__ import annotations

from flask import Response, request

from face_comparison.api.limits import MAX_FACES
from face_comparison.api.responses import Response as ApiResponse
from face_comparison.collections.service import CollectionService
from face_comparison.errors import NoFace
from face_comparison.serving.permit import Permit
from face_comparison.web.collections.audit import measured_search, note
from face_comparison.web.collections.base import CollectionRoutes, content_type
from face_comparison.web.permissions import SEARCH
from face_comparison.web.request_body import Received
from face_comparison.wire import collection_requests as requests
from face_comparison.wire import collection_responses as responses
from face_comparison.wire.formats.shapes import LIST_FIELDS


class SearchRoutes(CollectionRoutes):
    """Searches in a collection."""

    __slots__ = ()

    def search(self, collection_id: str) -> Response:
        """Identifies every face in an image."""

        def handle(service: CollectionService, body: Received, permit: Permit) -> ApiResponse:
            version = service.check_usable(collection_id).model_version
            parsed = requests.search_request(body, content_type(), _query(), version)
            probe = self.probe(parsed.subject, permit, parsed.max_faces)
            found = measured_search(
                lambda: service.search(
                    collection_id,
                    probe.vectors,
                    max_false_positive_rate=parsed.rate,
                    threshold=parsed.threshold,
                    users=parsed.users,
                    max_matches=parsed.max_matches,
                    reliable=probe.reliable,
                )
            )
            return responses.to_search_response(found, probe.faces, collection_id, version, service.confidence)

        return self.answer("search", handle, SEARCH, collection=collection_id)

    def verify(self, collection_id: str, user_id: str) -> Response:
        """Compares an image with all faces of one user."""

        def handle(service: CollectionService, body: Received, permit: Permit) -> ApiResponse:
            version = service.check_usable(collection_id).model_version
            parsed = requests.verify_request(body, content_type(), request.args, version)
            user = service.describe_user(collection_id, user_id)  # fails before an image is analyzed for nothing
            probe = self.probe(parsed.subject, permit, MAX_FACES)
            if not probe.faces:
                raise NoFace("no face was found in the image")
            faces = list(zip(probe.faces, service.verify(collection_id, user_id, probe.vectors), strict=True))
            calibration = self.faces.model.calibration(parsed.threshold)
            response = responses.to_verify_response(user_id, version, faces, calibration, service.confidence)
            self.note_user(service, collection_id, user_id)
            note(n=user.faces, decision=response.verdict)
            return response

        return self.answer("verify", handle, SEARCH, collection=collection_id)


def _query() -> dict[str, str]:
    """Returns the query parameters. The values of a repeated list are joined; otherwise, the first value counts."""
    return {
        name: ",".join(values) if name in LIST_FIELDS else values[0] for name, values in request.args.lists() if values
    }
