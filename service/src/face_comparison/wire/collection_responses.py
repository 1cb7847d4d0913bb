"""What collections answer: every public field name of these replies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

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
from face_comparison.wire.responses import quality_reply

ConfidenceOf = Callable[[float], float]
"""Probability of one person at a Euclidean distance."""


def collection_reply(info: CollectionInfo) -> dict[str, Any]:
    collection = info.collection
    return {
        "CollectionId": collection.name,
        "FaceModelVersion": collection.model_version,
        "FaceCount": collection.faces,
        "UserCount": collection.users,
        "CreationTimestamp": timestamp(collection.created),
        "MaxFalsePositiveRate": collection.max_false_positive_rate,
        "Threshold": info.search_threshold,
        **_given(RetentionDays=collection.retention_days),
        "Metadata": collection.metadata,
    }


def collections_reply(page: Page[CollectionInfo]) -> dict[str, Any]:
    return {
        "CollectionIds": [info.collection.name for info in page.items],
        "Collections": [collection_reply(info) for info in page.items],
        **_given(NextToken=page.next_token),
    }


def user_reply(user: User) -> dict[str, Any]:
    return {
        "UserId": user.user_id,
        "Metadata": user.metadata,
        **_given(Expires=None if user.expires is None else timestamp(user.expires)),
        "FaceCount": user.faces,
        "CreationTimestamp": timestamp(user.created),
    }


def users_reply(page: Page[User]) -> dict[str, Any]:
    return {"Users": [user_reply(user) for user in page.items], **_given(NextToken=page.next_token)}


def face_reply(face: StoredFace, version: str) -> dict[str, Any]:
    return {
        "FaceId": face.face_id,
        **_given(
            UserId=face.user_id,
            ExternalImageId=face.external_image_id,
            ImageId=face.image_id,
            BoundingBox=None if face.box is None else _box(face.box),
            Confidence=None if face.confidence is None else round(face.confidence, 6),
        ),
        "FaceModelVersion": version,
        "CreationTimestamp": timestamp(face.created),
    }


def faces_reply(page: Page[StoredFace], version: str) -> dict[str, Any]:
    return {
        "Faces": [face_reply(face, version) for face in page.items],
        "FaceModelVersion": version,
        **_given(NextToken=page.next_token),
    }


def enroll_reply(enrollment: Enrollment, version: str, confidence: ConfidenceOf) -> dict[str, Any]:
    return {
        "FaceRecords": [_record(record, version, confidence) for record in enrollment.records],
        "UnindexedFaces": [_unindexed(face) for face in enrollment.unindexed],
        "Duplicates": [_duplicate(each, confidence) for each in enrollment.duplicates],
        "FaceModelVersion": version,
    }


def search_reply(
    result: SearchResult, probes: Sequence[ProbeFace], collection_id: str, version: str, confidence: ConfidenceOf
) -> dict[str, Any]:
    """probes: the searched faces, in the order of the result."""
    conditions = {
        "Threshold": result.threshold,
        "GallerySize": result.gallery_size,
        "ExpectedFalsePositiveRate": result.expected_rate,
        "Exact": result.exact,
    }
    return {
        "CollectionId": collection_id,
        "FaceModelVersion": version,
        **conditions,
        "Faces": [
            {**_detected(probe), **_identified(found, confidence), **conditions}
            for probe, found in zip(probes, result.faces, strict=True)
        ],
    }


def verify_reply(
    probes: Sequence[ProbeFace], distances: Sequence[float], calibration: Calibration, confidence: ConfidenceOf
) -> dict[str, Any]:
    """As a target of /compare; at least one face, in any order."""
    faces = sorted(zip(distances, probes, strict=True), key=lambda pair: pair[0])
    found = []
    for distance, probe in faces:
        verdict = {
            "Distance": distance,
            "Confidence": confidence(distance),
            "SamePerson": distance <= calibration.threshold,
            "Verdict": calibration.verdict(distance) if probe.reliable else "review",
        }
        found.append({**_detected(probe), **verdict})
    best = {name: found[0][name] for name in ("SamePerson", "Distance", "Confidence", "Verdict")}
    return {**best, "Threshold": calibration.threshold, "Faces": found}


def erasure_reply(erasure: Erasure) -> dict[str, Any]:
    """A receipt."""
    return {
        "ErasureId": erasure.erasure_id,
        "State": "deleted" if erasure.scrubbed is None else "scrubbed",
        "CollectionId": erasure.collection,
        "FaceCount": erasure.faces,
        "DeletedTimestamp": timestamp(erasure.deleted),
        **_given(
            ScrubbedTimestamp=None if erasure.scrubbed is None else timestamp(erasure.scrubbed),
            BackupsExpireTimestamp=None if erasure.backups_until is None else timestamp(erasure.backups_until),
        ),
    }


def delete_faces_reply(erasure: Erasure, deleted: Sequence[str], asked: Sequence[str]) -> dict[str, Any]:
    missing = [face_id for face_id in asked if face_id not in set(deleted)]
    return {
        "DeletedFaces": list(deleted),
        "UnsuccessfulFaceDeletions": [{"FaceId": face_id, "Reasons": ["FACE_NOT_FOUND"]} for face_id in missing],
        **erasure_reply(erasure),
    }


def import_reply(report: ImportReport) -> dict[str, Any]:
    return {
        "ImportedFaceCount": report.imported,
        "UnchangedFaceCount": report.unchanged,
        "FailedLineCount": report.failed,
        "Errors": [{"Line": number, "Message": message} for number, message in report.errors],
    }


def timestamp(time: datetime) -> str:
    """ISO 8601 in UTC, milliseconds."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _record(record: FaceRecord, version: str, confidence: ConfidenceOf) -> dict[str, Any]:
    fit = record.fit
    return {
        "Face": face_reply(record.face, version),
        **({} if record.detected is None or record.face.box is None else {
            "FaceDetail": _detail(record.detected, record.face.box)
        }),
        "Created": record.created,
        **({} if fit is None else {
            "PersonFit": {"Fits": fit.fits, "Distance": fit.distance, "Confidence": confidence(fit.distance)}
        }),
    }  # fmt: skip


def _unindexed(face: UnindexedFace) -> dict[str, Any]:
    probe = face.probe
    return {
        "Reasons": list(face.reasons),
        **({} if probe.detected is None or probe.box is None else {"FaceDetail": _detail(probe.detected, probe.box)}),
    }


def _duplicate(duplicate: Duplicate, confidence: ConfidenceOf) -> dict[str, Any]:
    return {**_match(duplicate.neighbor, confidence), **_given(NewFaceId=duplicate.face_id)}


def _identified(found: Identification, confidence: ConfidenceOf) -> dict[str, Any]:
    return {"Decision": found.decision, "Matches": [_match(match, confidence) for match in found.matches]}


def _match(neighbor: Neighbor, confidence: ConfidenceOf) -> dict[str, Any]:
    probability = confidence(neighbor.distance)
    return {
        **_given(UserId=neighbor.face.user_id),
        "FaceId": neighbor.face.face_id,
        **_given(ExternalImageId=neighbor.face.external_image_id),
        "Distance": neighbor.distance,
        "Confidence": probability,
        "Similarity": 100 * probability,
    }


def _detected(probe: ProbeFace) -> dict[str, Any]:
    if probe.detected is None or probe.box is None:
        return {}
    return {
        "BoundingBox": _box(probe.box),
        "FaceConfidence": round(probe.detected.confidence, 6),
        "Quality": quality_reply(probe.detected.quality),
    }


def _detail(face: Face, box: RelativeBox) -> dict[str, Any]:
    return {
        "BoundingBox": _box(box),
        "Confidence": round(face.confidence, 6),
        "Quality": quality_reply(face.quality),
    }


def _box(box: RelativeBox) -> dict[str, float]:
    return {"Left": box.left, "Top": box.top, "Width": box.width, "Height": box.height}


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
