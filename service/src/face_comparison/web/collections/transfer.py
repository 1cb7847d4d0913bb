"""Routes that export and import faces."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from flask import Response

from face_comparison.api.responses import Response as ApiResponse
from face_comparison.collections.service import CollectionService
from face_comparison.serving.permit import Permit
from face_comparison.web.collections.audit import audited, note
from face_comparison.web.collections.base import CollectionRoutes
from face_comparison.web.permissions import ADMIN, ENROLL
from face_comparison.web.request_body import Received
from face_comparison.wire import collection_responses as responses
from face_comparison.wire.transfer import NDJSON, export_parts, import_lines, split_lines


class TransferRoutes(CollectionRoutes):
    """Exports and imports."""

    __slots__ = ()

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

        return self.answer("import", handle, ENROLL, collection=collection_id)


def _until_over(lines: Iterator[bytes], permit: Permit) -> Iterator[bytes]:
    """Yields the lines until the deadline of the request passes or its client disconnects, which raises an error."""
    for number, line in enumerate(lines):
        if number % 256 == 0:
            permit.check()
        yield line
