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
from face_comparison.vision.types import Face, ImageAnalysis

DEFAULT_MATCHES = 100


def search_faces(parameters: Parameters, context: Context) -> Shape:
    """Implements SearchFaces: the faces near an enrolled one."""
    store = context.store
    version = store.check_usable(parameters["CollectionId"]).model_version
    found = _search_face(
        context,
        parameters["CollectionId"],
        parameters["FaceId"],
        threshold=_distance(context, parameters.get("FaceMatchThreshold")),
        max_matches=parameters.get("MaxFaces", DEFAULT_MATCHES),
    )
    return {
        "SearchedFaceId": parameters["FaceId"],
        "FaceMatches": _face_matches(found.faces[0], store, version),
        "FaceModelVersion": version,
    }


def search_faces_by_image(parameters: Parameters, context: Context) -> Shape:
    """Implements SearchFacesByImage: the faces near the most prominent one of an image."""
    searched = _search_image(parameters, context, "FaceMatchThreshold", "MaxFaces", "faces")
    if searched.face is None or searched.found is None:
        raise no_face("Image")
    return {
        "SearchedFaceBoundingBox": shapes.bounding_box(searched.face, searched.analysis),
        "SearchedFaceConfidence": shapes.percent(searched.face.confidence),
        "FaceMatches": _face_matches(searched.found, context.store, searched.version),
        "FaceModelVersion": searched.version,
    }


def search_users(parameters: Parameters, context: Context) -> Shape:
    """Implements SearchUsers: the users near an enrolled face, or near all faces of a user.

    Raises:
        RekognitionFault: Both of UserId and FaceId are given, or none.
    """
    store, name = context.store, parameters["CollectionId"]
    if ("UserId" in parameters) == ("FaceId" in parameters):
        raise RekognitionFault("InvalidParameterException", "exactly one of UserId and FaceId is required")
    version = store.check_usable(name).model_version
    threshold = _distance(context, parameters.get("UserMatchThreshold"))
    matches = parameters.get("MaxUsers", DEFAULT_MATCHES)
    if "UserId" in parameters:
        found = context.search(
            lambda: store.search_by_user(name, parameters["UserId"], threshold=threshold, max_matches=matches)
        )
        searched: Shape = {"SearchedUser": {"UserId": parameters["UserId"]}}
    else:
        face_id = parameters["FaceId"]
        found = _search_face(context, name, face_id, threshold=threshold, max_matches=matches, grouping="users")
        searched = {"SearchedFace": {"FaceId": parameters["FaceId"]}}
    return {"UserMatches": _user_matches(found.faces[0], store), "FaceModelVersion": version} | searched


def search_users_by_image(parameters: Parameters, context: Context) -> Shape:
    """Implements SearchUsersByImage: the users near the most prominent face of an image.

    Unlike SearchFacesByImage, it reports an image without a face to search for as one without matches.
    """
    searched = _search_image(parameters, context, "UserMatchThreshold", "MaxUsers", "users")
    analysis, quality_filter = searched.analysis, parameters.get("QualityFilter", "NONE")
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
    analysis: ImageAnalysis
    face: Face | None
    found: Identification | None


def _search_image(
    parameters: Parameters, context: Context, threshold: str, matches: str, grouping: Grouping
) -> _SearchedImage:
    """Searches a collection with the most prominent face of an image.

    Args:
        parameters: Parameters of the operation.
        context: The request's context.
        threshold: Name of the parameter with the minimum similarity.
        matches: Name of the parameter with the number of matches.
        grouping: Whether to return users or faces.
    """
    store = context.store
    version = store.check_usable(parameters["CollectionId"]).model_version
    analysis, _ = context.read(parameters["Image"])
    face = _searched_face(analysis, parameters, context.model.sure_confidence)
    if face is None:
        return _SearchedImage(version, analysis, None, None)
    result = context.search(
        lambda: store.search(
            parameters["CollectionId"],
            face.hash[None],
            threshold=_distance(context, parameters.get(threshold)),
            max_matches=parameters.get(matches, DEFAULT_MATCHES),
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


def _searched_face(analysis: ImageAnalysis, parameters: Parameters, sure_confidence: float) -> Face | None:
    """Returns the face to search for: the most prominent one, if it passes the quality filter."""
    if not analysis.faces:
        return None
    face = most_prominent_face(analysis.faces, sure_confidence)
    return None if quality_reasons(face, parameters.get("QualityFilter", "NONE")) else face


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
