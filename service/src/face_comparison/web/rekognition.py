"""The route for Amazon Rekognition clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, g, request

from face_comparison.api.encoding import JSON, encode
from face_comparison.api.limits import MAX_FACES
from face_comparison.collections.service import CollectionService
from face_comparison.errors import FaceComparisonError, PackagesMissing
from face_comparison.rekognition.faults import RekognitionFault, fault_of
from face_comparison.serving.face_service import FaceService
from face_comparison.serving.permit import Permit
from face_comparison.web.collections.audit import audited, measured_search, note
from face_comparison.web.endpoint import Endpoint
from face_comparison.web.permissions import ADMIN, DETECT, ENROLL, ERASE, READ, SEARCH, Permission
from face_comparison.web.request_body import Received
from face_comparison.web.signed_requests import BOTOCORE_MISSING

MEDIA_TYPE = "application/x-amz-json-1.1"

PERMISSIONS: Mapping[str, tuple[Permission, ...]] = {
    "CompareFaces": (DETECT,),
    "DetectFaces": (DETECT,),
    "CreateCollection": (ADMIN,),
    "DeleteCollection": (ADMIN,),
    "DescribeCollection": READ,
    "ListCollections": READ,
    "ListFaces": READ,
    "ListUsers": READ,
    "IndexFaces": (ENROLL,),
    "CreateUser": (ENROLL,),
    "AssociateFaces": (ENROLL,),
    "DisassociateFaces": (ENROLL,),
    "DeleteFaces": (ERASE,),
    "DeleteUser": (ERASE,),
    "SearchFaces": (SEARCH,),
    "SearchFacesByImage": (SEARCH,),
    "SearchUsers": (SEARCH,),
    "SearchUsersByImage": (SEARCH,),
}
"""The permissions for each operation, any one of which is sufficient."""


def register_rekognition(
    app: Flask, stage: str, endpoint: Endpoint, faces: FaceService, collections: CollectionService | None
) -> None:
    """Adds the routes for Rekognition clients at `/<stage>/rekognition` and at `/`."""

    def call() -> Response:
        try:
            return _call(endpoint, faces, collections)
        except RekognitionFault as fault:
            return fault_response(fault)

    app.add_url_rule(f"/{stage}/rekognition", "rekognition", call, methods=["POST"])
    app.add_url_rule("/", "rekognition", call, methods=["POST"])


def _call(endpoint: Endpoint, faces: FaceService, collections: CollectionService | None) -> Response:
    try:
        # Imported here because botocore requires the extra `s3`, and most services never have such clients.
        from face_comparison.rekognition import operations, service_model  # noqa: PLC0415
    except ModuleNotFoundError:
        raise PackagesMissing(BOTOCORE_MISSING) from None

    operation = service_model.parse_target(request.headers.get("X-Amz-Target", ""), operations.OPERATIONS)

    def handle(body: Received, permit: Permit) -> Mapping[str, Any]:
        context = operations.Context(
            lambda image: faces.analyze(image, permit, g.stages, MAX_FACES), faces.model, collections, measured_search
        )
        parameters = service_model.parse_input(operation, body)
        if "CollectionId" not in parameters:
            return operations.OPERATIONS[operation](parameters, context)
        with audited(operation, parameters["CollectionId"]):
            result = operations.OPERATIONS[operation](parameters, context)
            _note_result(context.store, parameters, result)
            return result

    response = endpoint.answer(handle, *PERMISSIONS[operation])
    response.content_type = MEDIA_TYPE
    response.headers["x-amzn-RequestId"] = g.request_id
    return response


def _note_result(service: CollectionService, parameters: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    if "UserId" in parameters:
        note(subject=service.subject(parameters["CollectionId"], parameters["UserId"]))
    for name in ("FaceRecords", "DeletedFaces", "AssociatedFaces", "DisassociatedFaces"):
        if name in result:
            note(faces=len(result[name]))


def error_response(error: FaceComparisonError) -> Response:
    """Returns an error in Rekognition's format."""
    return fault_response(fault_of(error))


def fault_response(fault: RekognitionFault) -> Response:
    """Returns a fault of the Rekognition API as a response."""
    g.outcome = fault.name
    response = Response(
        encode({"__type": fault.name, "message": fault.message}, JSON), fault.status, content_type=MEDIA_TYPE
    )
    response.headers["x-amzn-ErrorType"] = fault.name
    response.headers["x-amzn-RequestId"] = g.request_id
    return response
