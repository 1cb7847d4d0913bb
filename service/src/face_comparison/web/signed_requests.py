"""Verifies requests that AWS clients signed with an API key."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import request

from face_comparison.errors import Forbidden, PackagesMissing
from face_comparison.rekognition.faults import RekognitionFault
from face_comparison.rekognition.signature import parse_authorization, signer, verify_signature
from face_comparison.web.auth import ApiKeys
from face_comparison.web.request_body import Received
from face_comparison.web.request_gate import RequestGate

BOTOCORE_MISSING = "requests from AWS clients require botocore: pip install 'face-comparison[s3]'"


def is_rekognition_request() -> bool:
    """Returns whether the current request is from a Rekognition client, which expects errors in its own format."""
    return request.endpoint == "rekognition"


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
        raise PackagesMissing(BOTOCORE_MISSING) from None
    except RekognitionFault as fault:
        gate.count_failure(request.remote_addr or "", "signature")
        if is_rekognition_request():
            raise
        raise Forbidden(fault.message) from None
