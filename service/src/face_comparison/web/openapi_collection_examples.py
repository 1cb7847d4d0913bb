"""Examples of collection requests and responses for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from face_comparison.api import collections as api
from face_comparison.collections.service import DEFAULT_RATE
from face_comparison.web.openapi_schemas import BOX_EXAMPLE, PIXEL, QUALITY_EXAMPLE, to_plain

_ID = "5b1d6c1e-52b5-4f0e-9f7c-0d3f8a1b2c3d"
_WHEN = "2030-01-31T12:00:00.000Z"

_MATCH_EXAMPLE: dict[str, Any] = {
    "face_id": _ID,
    "distance": 0.61,
    "confidence": 0.998,
    "similarity": 99.8,
}
_RECEIPT_EXAMPLE: dict[str, Any] = {
    "erasure_id": _ID,
    "state": "scrubbed",
    "collection_id": "staff",
    "face_count": 2,
    "deleted_timestamp": _WHEN,
    "scrubbed_timestamp": _WHEN,
    "backups_expire_timestamp": _WHEN,
}
_CONDITIONS_EXAMPLE: dict[str, Any] = {
    "threshold": 0.97,
    "gallery_size": 412,
    "expected_false_positive_rate": 0.01,
    "exact": True,
}
_DETECTED_EXAMPLE: dict[str, Any] = {
    "bounding_box": BOX_EXAMPLE,
    "face_confidence": 0.93,
    "quality": QUALITY_EXAMPLE,
}

REQUESTS: Mapping[str, Any] = {
    "CreateCollectionRequest": {"CollectionId": "staff", "MaxFalsePositiveRate": 0.001, "RetentionDays": 365},
    "EnrollRequest": {"img": PIXEL, "UserId": "u-17", "ExternalImageId": "badge-photo"},
    "SearchRequest": {"img": PIXEL, "MaxFaces": 10},
    "VerifyRequest": {"img": PIXEL},
    "UserRequest": {"UserId": "u-17", "Metadata": {"badge": 4711}, "Expires": "2030-01-31T12:00:00Z"},
    "UserChange": {"Expires": None},
    "DeleteFacesRequest": {"FaceIds": [_ID]},
}


def responses(version: str) -> dict[str, Any]:
    """Returns an example of each response type, by name; `version` is that of the running model."""
    collection = api.CollectionDescription(
        collection_id="staff",
        face_model_version=version,
        face_count=412,
        user_count=206,
        creation_timestamp=_WHEN,
        max_false_positive_rate=DEFAULT_RATE,
        threshold=0.97,
        retention_days=365,
        metadata={"site": "Bern"},
    )
    user = api.User(user_id="u-17", metadata={"badge": 4711}, expires=_WHEN, face_count=2, creation_timestamp=_WHEN)
    face = api.EnrolledFace(
        face_id=_ID,
        user_id="u-17",
        external_image_id="badge-photo",
        image_id=_ID,
        bounding_box=BOX_EXAMPLE,
        confidence=0.93,
        face_model_version=version,
        creation_timestamp=_WHEN,
    )
    detail = api.FaceDetail(BOX_EXAMPLE, 0.93, QUALITY_EXAMPLE)
    match = api.CollectionMatch(user_id="u-17", **_MATCH_EXAMPLE)
    identified = api.IdentifiedFace(**_DETECTED_EXAMPLE, decision="match", matches=(match,), **_CONDITIONS_EXAMPLE)
    verdict: dict[str, Any] = {"distance": 0.61, "confidence": 0.998, "same_person": True, "verdict": "same"}
    examples = (
        collection,
        api.CollectionPage(collection_ids=("staff",), collections=(collection,)),
        user,
        api.UserPage(users=(user,), next_token="dS0xNw"),  # noqa: S106 (of a page)
        api.Erasure(**_RECEIPT_EXAMPLE),
        api.UserErasure(user_id="u-17", **_RECEIPT_EXAMPLE),
        api.DeleteFacesResponse(deleted_faces=(_ID,), unsuccessful_face_deletions=(), **_RECEIPT_EXAMPLE),
        api.FacePage(faces=(face,), face_model_version=version),
        api.EnrollResponse(
            face_records=(api.FaceRecord(face=face, face_detail=detail, created=True),),
            unindexed_faces=(api.UnindexedFace(reasons=("SMALL_BOUNDING_BOX",), face_detail=detail),),
            duplicates=(api.Duplicate(user_id="u-3", **_MATCH_EXAMPLE, new_face_id=_ID),),
            face_model_version=version,
        ),
        api.ImportResponse(
            imported_face_count=412,
            unchanged_face_count=0,
            failed_line_count=1,
            errors=(api.ImportedLine(7, "face_hash must be 768 numbers, not 512"),),
        ),
        api.SearchResponse(
            collection_id="staff", face_model_version=version, **_CONDITIONS_EXAMPLE, faces=(identified,)
        ),
        api.VerifyResponse(
            user_id="u-17",
            face_model_version=version,
            threshold=1.128,
            **verdict,
            faces=(api.VerifiedFace(**_DETECTED_EXAMPLE, **verdict),),
        ),
    )
    return {type(each).__name__: to_plain(each) for each in examples}
