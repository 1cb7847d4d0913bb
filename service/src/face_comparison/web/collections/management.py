"""Routes that create, describe, and delete collections, and their receipts."""

from __future__ import annotations

from uuid import UUID

from flask import Response, request

from face_comparison.api.responses import Response as ApiResponse
from face_comparison.collections.service import CollectionService
from face_comparison.observability import metrics
from face_comparison.serving.permit import Permit
from face_comparison.web.collections.audit import note
from face_comparison.web.collections.base import CollectionRoutes, content_type
from face_comparison.web.permissions import ADMIN, ERASE, READ
from face_comparison.web.request_body import Received
from face_comparison.wire import collection_requests as requests
from face_comparison.wire import collection_responses as responses


class ManagementRoutes(CollectionRoutes):
    """Collections as a whole, and receipts of deletions."""

    __slots__ = ()

    def create(self) -> Response:
        """Creates a collection."""

        def handle(service: CollectionService, body: Received, _: Permit) -> ApiResponse:
            parsed = requests.create_request(body, content_type())
            info = service.create_collection(
                parsed.collection_id,
                max_false_positive_rate=parsed.max_false_positive_rate,
                retention_days=parsed.retention_days,
                metadata=parsed.metadata,
            )
            note(collection=parsed.collection_id)
            return responses.to_collection(info)

        return self.answer("create_collection", handle, ADMIN)

    def list_collections(self) -> Response:
        """Returns one page of the collections."""

        def handle(service: CollectionService) -> ApiResponse:
            page = requests.page_request(request.args)
            return responses.to_collection_page(service.list_collections(limit=page.limit, token=page.token))

        return self.answer_head("list_collections", handle, *READ)

    def describe(self, collection_id: str) -> Response:
        """Describes a collection."""

        def handle(service: CollectionService) -> ApiResponse:
            info = service.describe_collection(collection_id)
            metrics.COLLECTION_FACES.update(collection_id, info.collection.faces)
            return responses.to_collection(info)

        return self.answer_head("describe_collection", handle, *READ, collection=collection_id)

    def delete(self, collection_id: str) -> Response:
        """Deletes a collection and everything in it."""

        def handle(service: CollectionService) -> ApiResponse:
            erasure = service.delete_collection(collection_id)
            metrics.COLLECTION_FACES.update(collection_id, None)
            note(faces=erasure.faces)
            return responses.to_erasure(erasure)

        return self.answer_head("delete_collection", handle, ADMIN, collection=collection_id)

    def describe_erasure(self, erasure_id: UUID) -> Response:
        """Returns the receipt of an earlier deletion."""

        def handle(service: CollectionService) -> ApiResponse:
            return responses.to_erasure(service.describe_erasure(str(erasure_id)))

        return self.answer_head("describe_erasure", handle, ERASE, ADMIN)
