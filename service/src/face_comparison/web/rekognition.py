"""The route for Amazon Rekognition clients, and the verification of their signatures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, g, request

from face_comparison.api.encoding import JSON, encode
from face_comparison.api.limits import MAX_FACES
from face_comparison.collections.service import CollectionService
from face_comparison.errors import FaceComparisonError, Forbidden, PackagesMissing
from face_comparison.rekognition.faults import RekognitionFault, fault_of
from face_comparison.rekognition.signature import parse_authorization, signer, verify_signature
from face_comparison.serving.admission import Permit
from face_comparison.serving.face_service import FaceService
from face_comparison.web.auth import ApiKeys
from face_comparison.web.collections import READ, Endpoint, audited, measured_search, note
from face_comparison.web.permissions import ADMIN, DETECT, ENROLL, ERASE, SEARCH, Permission
from face_comparison.web.request_body import Received
from face_comparison.web.request_gate import RequestGate

MEDIA_TYPE = "application/x-amz-json-1.1"
MISSING = "requests from AWS clients require botocore: pip install 'face-comparison[s3]'"

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
        raise PackagesMissing(MISSING) from None

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


def is_rekognition_request() -> bool:
    """Returns whether the current request is from a Rekognition client, which expects errors in its own format."""
    return request.endpoint == "rekognition"


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


def verify_signed_request(keys: ApiKeys, gate: RequestGate, body: Received) -> None:
    """Verifies the signature of the current request if it is signed.

    Args:
        keys: The API keys.
        gate: Counts failed attempts.
        body: The complete body of the request.

    Raises:
        RekognitionFault: The signature of a Rekognition client is not valid.
        Forbidden: The signature of another client is not valid.
        Overloaded: Too many failed attempts came from this address.
        PackagesMissing: botocore is not installed.
    """
    if signer(request.headers) is None:
        return
    target = request.environ.get("RAW_URI") or request.full_path.removesuffix("?")
    try:
        claimed = parse_authorization(request.headers.get("Authorization", ""))
        verify_signature(claimed, request.method, target, dict(request.headers), body, keys.secret, datetime.now(UTC))
    except ModuleNotFoundError:
        raise PackagesMissing(MISSING) from None
    except RekognitionFault as fault:
        gate.count_failure(request.remote_addr or "", "signature")
        if is_rekognition_request():
            raise
        raise Forbidden(fault.message) from None
