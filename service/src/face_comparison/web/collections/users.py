"""Routes that create, list, change, and erase users."""

from __future__ import annotations

from flask import Response, request

from face_comparison.api.responses import Response as ApiResponse
from face_comparison.collections.service import CollectionService
from face_comparison.serving.permit import Permit
from face_comparison.web.collections.audit import note
from face_comparison.web.collections.base import CollectionRoutes, content_type
from face_comparison.web.permissions import ENROLL, ERASE, READ
from face_comparison.web.request_body import Received
from face_comparison.wire import collection_requests as requests
from face_comparison.wire import collection_responses as responses


class UserRoutes(CollectionRoutes):
    """The users of a collection."""

    __slots__ = ()

    def create_user(self, collection_id: str) -> Response:
        """Creates a user."""

        def handle(service: CollectionService, body: Received, _: Permit) -> ApiResponse:
            parsed = requests.user_request(body, content_type())
            parameters = [collection_id, parsed.user_id, parsed.metadata, parsed.expires]
            user = service.create_user(
                collection_id,
                parsed.user_id,
                metadata=parsed.metadata,
                expires=parsed.expires,
                token=service.request_token("POST users", {"parameters": parameters}, parsed.token),
            )
            if user is None:  # Never after creating one: it may be deleted, or have expired, meanwhile.
                user = service.describe_user(collection_id, parsed.user_id)
            self.note_user(service, collection_id, parsed.user_id)
            return responses.to_user(user)

        return self.answer("create_user", handle, ENROLL, collection=collection_id)

    def list_users(self, collection_id: str) -> Response:
        """Returns one page of the users."""

        def handle(service: CollectionService) -> ApiResponse:
            page = requests.page_request(request.args)
            return responses.to_user_page(service.list_users(collection_id, limit=page.limit, token=page.token))

        return self.answer_head("list_users", handle, *READ, collection=collection_id)

    def describe_user(self, collection_id: str, user_id: str) -> Response:
        """Describes a user."""

        def handle(service: CollectionService) -> ApiResponse:
            return responses.to_user(service.describe_user(collection_id, user_id))

        return self.answer_head("describe_user", handle, *READ, collection=collection_id)

    def update_user(self, collection_id: str, user_id: str) -> Response:
        """Changes the metadata or expiration of a user."""

        def handle(service: CollectionService, body: Received, _: Permit) -> ApiResponse:
            change = requests.user_change(body, content_type())
            user = service.update_user(collection_id, user_id, metadata=change.metadata, expires=change.expires)
            self.note_user(service, collection_id, user_id)
            return responses.to_user(user)

        return self.answer("update_user", handle, ENROLL, collection=collection_id)

    def delete_user(self, collection_id: str, user_id: str) -> Response:
        """Erases a user and all of its faces, and returns the receipt."""

        def handle(service: CollectionService) -> ApiResponse:
            erasure = service.delete_user(collection_id, user_id)
            note(subject=erasure.subject, faces=erasure.faces)
            return responses.to_user_erasure(user_id, erasure)

        return self.answer_head("delete_user", handle, ERASE, collection=collection_id)
