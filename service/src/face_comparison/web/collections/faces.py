"""Routes that enroll, list, and delete faces."""

from __future__ import annotations

from flask import Response, request

from face_comparison.api.limits import MAX_FACES
from face_comparison.api.responses import Response as ApiResponse
from face_comparison.collections.identifiers import check_face_id
from face_comparison.collections.service import CollectionService
from face_comparison.errors import FaceNotFound, NoFace
from face_comparison.serving.permit import Permit
from face_comparison.web.collections.audit import note
from face_comparison.web.collections.base import CollectionRoutes, content_type
from face_comparison.web.permissions import ENROLL, ERASE, READ
from face_comparison.web.request_body import Received
from face_comparison.wire import collection_requests as requests
from face_comparison.wire import collection_responses as responses


class FaceRoutes(CollectionRoutes):
    """The faces of a collection."""

    __slots__ = ()

    def enroll(self, collection_id: str) -> Response:
        """Enrolls the faces in an image, or a hash."""

        def handle(service: CollectionService, body: Received, permit: Permit) -> ApiResponse:
            version = service.check_usable(collection_id).model_version
            parsed = requests.enroll_request(body, content_type(), request.args, version)
            probe = self.probe(parsed.subject, permit, MAX_FACES)
            if not probe.faces:
                raise NoFace("no face was found in the image: use one in which the face is larger and sharper")
            done = service.enroll(
                collection_id,
                probe,
                user_id=parsed.user_id,
                external_image_id=parsed.external_image_id,
                max_faces=parsed.max_faces,
                quality_filter=parsed.quality_filter,
                on_duplicate=parsed.on_duplicate,
            )
            self.note_user(service, collection_id, parsed.user_id)
            note(faces=len(done.records), unindexed=len(done.unindexed), duplicates=len(done.duplicates))
            return responses.to_enroll_response(done, version, service.confidence)

        return self.answer("enroll", handle, ENROLL, collection=collection_id)

    def list_faces(self, collection_id: str) -> Response:
        """Returns one page of the faces, or of those of a user."""

        def handle(service: CollectionService) -> ApiResponse:
            page = requests.page_request(request.args)
            version = service.describe_collection(collection_id).collection.model_version
            found = service.list_faces(collection_id, user_id=page.user_id, limit=page.limit, token=page.token)
            return responses.to_face_page(found, version)

        return self.answer_head("list_faces", handle, *READ, collection=collection_id)

    def delete_face(self, collection_id: str, face_id: str) -> Response:
        """Deletes one face; 404 if it does not exist."""

        def handle(service: CollectionService) -> ApiResponse:
            checked_id = check_face_id(face_id)
            erasure, deleted = service.delete_faces(collection_id, [checked_id])
            if not deleted:
                raise FaceNotFound(f"the collection has no face {checked_id}")
            note(faces=erasure.faces)
            return responses.to_delete_faces_response(erasure, deleted, [checked_id])

        return self.answer_head("delete_faces", handle, ERASE, collection=collection_id)

    def delete_faces(self, collection_id: str) -> Response:
        """Deletes faces; those that do not exist are reported."""

        def handle(service: CollectionService, body: Received, _: Permit) -> ApiResponse:
            face_ids = requests.face_ids_request(body, content_type())
            erasure, deleted = service.delete_faces(collection_id, face_ids)
            note(faces=erasure.faces)
            return responses.to_delete_faces_response(erasure, deleted, face_ids)

        return self.answer("delete_faces", handle, ERASE, collection=collection_id)
