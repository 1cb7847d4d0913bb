"""Searches by face, by user, and by image.

Where Rekognition has a fixed default similarity (80), a search here follows the collection's false positive rate at its
size, unless the request names a similarity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from face_comparison.collections.identification import Identification
from face_comparison.collections.quality import quality_reasons
from face_comparison.collections.results import SearchResult
from face_comparison.collections.service import CollectionService
from face_comparison.collections.values import Grouping, Neighbor
from face_comparison.errors import FaceNotFound
from face_comparison.rekognition import shapes
from face_comparison.rekognition.faults import RekognitionFault
from face_comparison.rekognition.operations.context import Context, Parameters, no_face
from face_comparison.rekognition.shapes import Shape
from face_comparison.rekognition.similarity import maximum_distance, to_similarity
from face_comparison.vision.matching import most_prominent_face
from face_comparison.vision.types import Analysis, Face

DEFAULT_MATCHES = 100


def search_faces(given: Parameters, context: Context) -> Shape:
    """Implements SearchFaces: the faces near an enrolled one."""
    store = context.store
    version = store.check_usable(given["CollectionId"]).model_version
    found = _search_face(
        context,
        given["CollectionId"],
        given["FaceId"],
        threshold=_distance(context, given.get("FaceMatchThreshold")),
        max_matches=given.get("MaxFaces", DEFAULT_MATCHES),
    )
    return {
        "SearchedFaceId": given["FaceId"],
        "FaceMatches": _face_matches(found.faces[0], store, version),
        "FaceModelVersion": version,
    }


def search_faces_by_image(given: Parameters, context: Context) -> Shape:
    """Implements SearchFacesByImage: the faces near the most prominent one of an image."""
    searched = _search_image(given, context, "FaceMatchThreshold", "MaxFaces", "faces")
    if searched.face is None or searched.found is None:
        raise no_face("Image")
    return {
        "SearchedFaceBoundingBox": shapes.bounding_box(searched.face, searched.analysis),
        "SearchedFaceConfidence": shapes.percent(searched.face.confidence),
        "FaceMatches": _face_matches(searched.found, context.store, searched.version),
        "FaceModelVersion": searched.version,
    }


def search_users(given: Parameters, context: Context) -> Shape:
    """Implements SearchUsers: the users near an enrolled face, or near all faces of a user.

    Raises:
        RekognitionFault: Both of UserId and FaceId are given, or none.
    """
    store, name = context.store, given["CollectionId"]
    if ("UserId" in given) == ("FaceId" in given):
        raise RekognitionFault("InvalidParameterException", "exactly one of UserId and FaceId is required")
    version = store.check_usable(name).model_version
    threshold = _distance(context, given.get("UserMatchThreshold"))
    matches = given.get("MaxUsers", DEFAULT_MATCHES)
    if "UserId" in given:
        found = context.search(
            lambda: store.search_by_user(name, given["UserId"], threshold=threshold, max_matches=matches)
        )
        searched: Shape = {"SearchedUser": {"UserId": given["UserId"]}}
    else:
        face_id = given["FaceId"]
        found = _search_face(context, name, face_id, threshold=threshold, max_matches=matches, grouping="users")
        searched = {"SearchedFace": {"FaceId": given["FaceId"]}}
    return {"UserMatches": _user_matches(found.faces[0], store), "FaceModelVersion": version} | searched


def search_users_by_image(given: Parameters, context: Context) -> Shape:
    """Implements SearchUsersByImage: the users near the most prominent face of an image.

    Unlike SearchFacesByImage, it reports an image without a face to search for as one without matches.
    """
    searched = _search_image(given, context, "UserMatchThreshold", "MaxUsers", "users")
    analysis, quality_filter = searched.analysis, given.get("QualityFilter", "NONE")
    response: Shape = {
        "UserMatches": [] if searched.found is None else _user_matches(searched.found, context.store),
        "UnsearchedFaces": [
            {
                "FaceDetails": shapes.face_detail(other, analysis),
                "Reasons": quality_reasons(other, quality_filter) or ["FACE_NOT_LARGEST"],
            }
            for other in analysis.faces
            if other is not searched.face
        ],
        "FaceModelVersion": searched.version,
    }
    if searched.face is not None:
        response["SearchedFace"] = {"FaceDetail": shapes.face_detail(searched.face, analysis)}
    return response


@dataclass(frozen=True, slots=True, eq=False)
class _SearchedImage:
    """The result of a search by image.

    Attributes:
        version: The collection's FaceModelVersion.
        analysis: The faces of the image.
        face: The searched face; None if none passes the quality filter.
        found: Its identification; None likewise.
    """

    version: str
    analysis: Analysis
    face: Face | None
    found: Identification | None


def _search_image(
    given: Parameters, context: Context, threshold: str, matches: str, grouping: Grouping
) -> _SearchedImage:
    """Searches a collection with the most prominent face of an image.

    Args:
        given: Parameters of the operation.
        context: The request's context.
        threshold: Name of the parameter with the minimum similarity.
        matches: Name of the parameter with the number of matches.
        grouping: Whether to return users or faces.
    """
    store = context.store
    version = store.check_usable(given["CollectionId"]).model_version
    analysis, _ = context.read(given["Image"])
    face = _searched_face(analysis, given, context.model.sure_confidence)
    if face is None:
        return _SearchedImage(version, analysis, None, None)
    result = context.search(
        lambda: store.search(
            given["CollectionId"],
            face.hash[None],
            threshold=_distance(context, given.get(threshold)),
            max_matches=given.get(matches, DEFAULT_MATCHES),
            grouping=grouping,
        )
    )
    return _SearchedImage(version, analysis, face, result.faces[0])


def _search_face(context: Context, collection: str, face_id: str, **options: Any) -> SearchResult:
    """Searches a collection by one of its faces; a missing one is an invalid parameter, as in Rekognition."""
    try:
        return context.search(lambda: context.store.search_by_face(collection, face_id, **options))
    except FaceNotFound as error:
        raise RekognitionFault(
            "InvalidParameterException", f"faceId {face_id} was not found in the collection"
        ) from error


def _searched_face(analysis: Analysis, given: Parameters, sure_confidence: float) -> Face | None:
    """Returns the face to search for: the most prominent one, if it passes the quality filter."""
    if not analysis.faces:
        return None
    face = most_prominent_face(analysis.faces, sure_confidence)
    return None if quality_reasons(face, given.get("QualityFilter", "NONE")) else face


def _distance(context: Context, similarity: float | None) -> float | None:
    """Returns the Euclidean distance of a similarity in percent; None lets the collection's rate decide."""
    return None if similarity is None else maximum_distance(similarity, context.model)


def _face_matches(found: Identification, store: CollectionService, version: str) -> list[Shape]:
    return [
        {"Similarity": _similarity(match, store), "Face": shapes.stored_face(match.face, version)}
        for match in found.matches
    ]


def _user_matches(found: Identification, store: CollectionService) -> list[Shape]:
    return [
        {"Similarity": _similarity(match, store), "User": {"UserId": match.face.user_id, "UserStatus": "ACTIVE"}}
        for match in found.matches
    ]


def _similarity(match: Neighbor, store: CollectionService) -> float:
    return to_similarity(store.confidence(match.distance))
