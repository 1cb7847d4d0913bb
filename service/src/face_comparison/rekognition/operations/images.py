"""Operations on one image or two."""

from __future__ import annotations

from face_comparison.collections.quality import quality_reasons
from face_comparison.rekognition import shapes
from face_comparison.rekognition.operations.context import Context, Parameters, no_face
from face_comparison.rekognition.shapes import Shape
from face_comparison.rekognition.similarity import maximum_distance, to_similarity
from face_comparison.vision.matching import image_match, most_prominent_face
from face_comparison.vision.types import ImageAnalysis

DEFAULT_SIMILARITY = 80.0
"""The default of CompareFaces, as Rekognition's."""


def detect_faces(parameters: Parameters, context: Context) -> Shape:
    """Implements DetectFaces."""
    analysis, _ = context.read(parameters["Image"])
    return {"FaceDetails": [shapes.face_detail(face, analysis) for face in analysis.faces]}


def compare_faces(parameters: Parameters, context: Context) -> Shape:
    """Implements CompareFaces: compares the source's most prominent face with every face of the target.

    Raises:
        RekognitionFault: An image has no face, or the source's does not pass the quality filter.
    """
    source, _ = context.read(parameters["SourceImage"], "SourceImage")
    target, _ = context.read(parameters["TargetImage"], "TargetImage")
    quality_filter = parameters.get("QualityFilter", "NONE")
    for analysis, name in ((source, "SourceImage"), (target, "TargetImage")):
        _require_face(analysis, name)
    face = most_prominent_face(source.faces, context.model.sure_confidence)
    if quality_reasons(face, quality_filter):
        raise no_face("SourceImage")
    limit = maximum_distance(parameters.get("SimilarityThreshold", DEFAULT_SIMILARITY), context.model)
    matches, unmatched = [], []
    for match in image_match(face.hash, target, context.model.calibration(None)).faces:
        assert match.face is not None  # noqa: S101 (the target is an image)
        if quality_reasons(match.face, quality_filter):
            continue
        compared = shapes.face_detail(match.face, target)
        if match.distance <= limit:
            matches.append({"Similarity": to_similarity(match.confidence), "Face": compared})
        else:
            unmatched.append(compared)
    return {
        "SourceImageFace": {
            "BoundingBox": shapes.bounding_box(face, source),
            "Confidence": shapes.percent(face.confidence),
        },
        "FaceMatches": matches,
        "UnmatchedFaces": unmatched,
    }


def _require_face(analysis: ImageAnalysis, path: str) -> None:
    if not analysis.faces:
        raise no_face(path)
