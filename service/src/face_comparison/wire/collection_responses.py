"""Builds collection responses from domain values: times become text, and numbers are rounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from face_comparison.api import collections as api
from face_comparison.api.limits import HASH_SIZE, MAX_DISTANCE
from face_comparison.api.responses import BoundingBox
from face_comparison.collections.identification import Identification
from face_comparison.collections.probe import ProbeFace
from face_comparison.collections.results import (
    CollectionInfo,
    Duplicate,
    Enrollment,
    FaceRecord,
    ImportReport,
    Page,
    SearchResult,
    UnindexedFace,
)
from face_comparison.collections.values import Erasure, Neighbor, RelativeBox, StoredFace, User
from face_comparison.vision.matching import Calibration
from face_comparison.vision.types import Face
from face_comparison.wire.responses import to_quality

ConfidenceOf = Callable[[float], float]
"""Maps a Euclidean distance to the probability that both faces are the same person."""


def to_collection(info: CollectionInfo) -> api.CollectionDescription:
    """Returns the current state of a collection."""
    collection = info.collection
    return api.CollectionDescription(
        collection_id=collection.name,
        face_model_version=collection.model_version,
        face_count=collection.faces,
        user_count=collection.users,
        creation_timestamp=to_timestamp(collection.created),
        max_false_positive_rate=collection.max_false_positive_rate,
        threshold=info.search_threshold,
        retention_days=collection.retention_days,
        metadata=dict(collection.metadata),
    )


def to_collection_page(page: Page[CollectionInfo]) -> api.CollectionPage:
    """Returns a page of collections."""
    return api.CollectionPage(
        collection_ids=tuple(info.collection.name for info in page.items),
        collections=tuple(to_collection(info) for info in page.items),
        next_token=page.next_token,
    )


def to_user(user: User) -> api.User:
    """Returns a user."""
    return api.User(
        user_id=user.user_id,
        metadata=dict(user.metadata),
        expires=_optional_timestamp(user.expires),
        face_count=user.faces,
        creation_timestamp=to_timestamp(user.created),
    )


def to_user_page(page: Page[User]) -> api.UserPage:
    """Returns a page of users."""
    return api.UserPage(users=tuple(to_user(user) for user in page.items), next_token=page.next_token)


def to_enrolled_face(face: StoredFace, version: str) -> api.EnrolledFace:
    """Returns a face in a collection whose `FaceModelVersion` is `version`."""
    return api.EnrolledFace(**_stored(face, version))


def to_exported_face(face: StoredFace, version: str) -> api.ExportedFace:
    """Returns a line of an export; a face without a vector gets a hash of zeros."""
    padded = np.zeros(HASH_SIZE, np.float32)
    if face.vector is not None:
        padded[: len(face.vector)] = face.vector
    return api.ExportedFace(**_stored(face, version), source_key=face.source_key.hex(), face_hash=padded)


def to_face_page(page: Page[StoredFace], version: str) -> api.FacePage:
    """Returns a page of faces."""
    return api.FacePage(
        faces=tuple(to_enrolled_face(face, version) for face in page.items),
        face_model_version=version,
        next_token=page.next_token,
    )


def to_enroll_response(enrollment: Enrollment, version: str, confidence: ConfidenceOf) -> api.EnrollResponse:
    """Returns the outcome for the faces in an image."""
    return api.EnrollResponse(
        face_records=tuple(_record(record, version, confidence) for record in enrollment.records),
        unindexed_faces=tuple(_unindexed(face) for face in enrollment.unindexed),
        duplicates=tuple(_duplicate(each, confidence) for each in enrollment.duplicates),
        face_model_version=version,
    )


def to_search_response(
    result: SearchResult, probes: Sequence[ProbeFace], collection_id: str, version: str, confidence: ConfidenceOf
) -> api.SearchResponse:
    """Returns the result of a search.

    Args:
        result: One identification per searched face.
        probes: The searched faces, in the order of the result.
        collection_id: The collection that was searched.
        version: The collection's `FaceModelVersion`.
        confidence: Maps a distance to the probability that both faces are the same person.
    """
    faces = zip(probes, result.faces, strict=True)
    return api.SearchResponse(
        collection_id=collection_id,
        face_model_version=version,
        threshold=result.threshold,
        gallery_size=result.gallery_size,
        expected_false_positive_rate=result.expected_rate,
        exact=result.exact,
        faces=tuple(_identified(probe, found, result, confidence) for probe, found in faces),
    )


def to_verify_response(
    user_id: str,
    version: str,
    faces: Sequence[tuple[ProbeFace, float]],
    calibration: Calibration,
    confidence: ConfidenceOf,
) -> api.VerifyResponse:
    """Returns the result of a verification, which resembles that of a target in a comparison.

    Args:
        user_id: The user that the image was compared with.
        version: The collection's `FaceModelVersion`.
        faces: Each face in the image with its distance to the user's nearest face; at least one, in any order.
        calibration: The applied threshold and the limits of `review`.
        confidence: Maps a distance to the probability that both faces are the same person.
    """
    verified = tuple(
        api.VerifiedFace(
            **_detected(probe),
            distance=min(MAX_DISTANCE, distance),
            confidence=confidence(distance),
            same_person=distance <= calibration.threshold,
            verdict=calibration.verdict(distance) if probe.reliable else "review",
        )
        for probe, distance in sorted(faces, key=lambda pair: pair[1])
    )
    best = verified[0]
    return api.VerifyResponse(
        user_id=user_id,
        face_model_version=version,
        same_person=best.same_person,
        distance=best.distance,
        confidence=best.confidence,
        verdict=best.verdict,
        threshold=calibration.threshold,
        faces=verified,
    )


def to_erasure(erasure: Erasure) -> api.Erasure:
    """Returns the receipt for a deletion."""
    return api.Erasure(**_receipt(erasure))


def to_user_erasure(user_id: str, erasure: Erasure) -> api.UserErasure:
    """Returns the receipt for the deletion of a user."""
    return api.UserErasure(user_id=user_id, **_receipt(erasure))


def to_delete_faces_response(
    erasure: Erasure, deleted: Sequence[str], requested: Sequence[str]
) -> api.DeleteFacesResponse:
    """Returns the receipt for the deletion of faces; requested faces that were not deleted did not exist."""
    found = set(deleted)
    missing = [face_id for face_id in requested if face_id not in found]
    return api.DeleteFacesResponse(
        deleted_faces=tuple(deleted),
        unsuccessful_face_deletions=tuple(api.FailedDeletion(face_id, ("FACE_NOT_FOUND",)) for face_id in missing),
        **_receipt(erasure),
    )


def to_import_response(report: ImportReport) -> api.ImportResponse:
    """Returns the outcome of an import."""
    return api.ImportResponse(
        imported_face_count=report.imported,
        unchanged_face_count=report.unchanged,
        failed_line_count=report.failed,
        errors=tuple(api.ImportedLine(number, message) for number, message in report.errors),
    )


def to_timestamp(time: datetime) -> str:
    """Returns a time as ISO 8601 in UTC, with milliseconds."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _optional_timestamp(time: datetime | None) -> str | None:
    return None if time is None else to_timestamp(time)


def _stored(face: StoredFace, version: str) -> dict[str, Any]:
    return {
        "face_id": face.face_id,
        "user_id": face.user_id,
        "external_image_id": face.external_image_id,
        "image_id": face.image_id,
        "bounding_box": None if face.box is None else _bounding_box(face.box),
        "confidence": None if face.confidence is None else round(face.confidence, 6),
        "face_model_version": version,
        "creation_timestamp": to_timestamp(face.created),
    }


def _receipt(erasure: Erasure) -> dict[str, Any]:
    return {
        "erasure_id": erasure.erasure_id,
        "state": "deleted" if erasure.scrubbed is None else "scrubbed",
        "collection_id": erasure.collection,
        "face_count": erasure.faces,
        "deleted_timestamp": to_timestamp(erasure.deleted),
        "scrubbed_timestamp": _optional_timestamp(erasure.scrubbed),
        "backups_expire_timestamp": _optional_timestamp(erasure.backups_until),
    }


def _record(record: FaceRecord, version: str, confidence: ConfidenceOf) -> api.FaceRecord:
    fit = record.fit
    return api.FaceRecord(
        face=to_enrolled_face(record.face, version),
        face_detail=_detail(record.detected, record.face.box),
        created=record.created,
        person_fit=None if fit is None else api.PersonFit(fit.fits, fit.distance, confidence(fit.distance)),
    )


def _unindexed(face: UnindexedFace) -> api.UnindexedFace:
    return api.UnindexedFace(reasons=face.reasons, face_detail=_detail(face.probe.detected, face.probe.box))


def _duplicate(duplicate: Duplicate, confidence: ConfidenceOf) -> api.Duplicate:
    return api.Duplicate(**_resemblance(duplicate.neighbor, confidence), new_face_id=duplicate.face_id)


def _identified(
    probe: ProbeFace, found: Identification, result: SearchResult, confidence: ConfidenceOf
) -> api.IdentifiedFace:
    return api.IdentifiedFace(
        **_detected(probe),
        decision=found.decision,
        matches=tuple(api.CollectionMatch(**_resemblance(match, confidence)) for match in found.matches),
        threshold=result.threshold,
        gallery_size=result.gallery_size,
        expected_false_positive_rate=result.expected_rate,
        exact=result.exact,
    )


def _resemblance(neighbor: Neighbor, confidence: ConfidenceOf) -> dict[str, Any]:
    probability = confidence(neighbor.distance)
    return {
        "user_id": neighbor.face.user_id,
        "face_id": neighbor.face.face_id,
        "external_image_id": neighbor.face.external_image_id,
        "distance": min(MAX_DISTANCE, neighbor.distance),
        "confidence": probability,
        "similarity": 100 * probability,
    }


def _detected(probe: ProbeFace) -> dict[str, Any]:
    if probe.detected is None or probe.box is None:
        return {}
    return {
        "bounding_box": _bounding_box(probe.box),
        "face_confidence": round(probe.detected.confidence, 6),
        "quality": to_quality(probe.detected.quality),
    }


def _detail(face: Face | None, box: RelativeBox | None) -> api.FaceDetail | None:
    if face is None or box is None:
        return None
    return api.FaceDetail(_bounding_box(box), round(face.confidence, 6), to_quality(face.quality))


def _bounding_box(box: RelativeBox) -> BoundingBox:
    return BoundingBox(box.left, box.top, box.width, box.height)
