"""An identical image has similarity 100, as clients of Amazon Rekognition expect."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.analyzer import image
from support.rekognition import rekognition_client


def test_identical_image_matches_at_similarity_100(serve: Callable[..., str]) -> None:
    rekognition = rekognition_client(serve())
    rekognition.create_collection(CollectionId="a")
    face = rekognition.index_faces(CollectionId="a", Image={"Bytes": image("anna")})["FaceRecords"][0]["Face"]
    rekognition.index_faces(CollectionId="a", Image={"Bytes": image("anna*")})
    rekognition.create_user(CollectionId="a", UserId="anna")
    rekognition.associate_faces(CollectionId="a", UserId="anna", FaceIds=[face["FaceId"]])
    photo, other = {"Bytes": image("anna")}, {"Bytes": image("bert")}
    found = rekognition.compare_faces(SourceImage=photo, TargetImage=photo, SimilarityThreshold=100)
    assert [match["Similarity"] for match in found["FaceMatches"]] == [pytest.approx(100, abs=1e-3)]
    assert rekognition.compare_faces(SourceImage=photo, TargetImage=other, SimilarityThreshold=100)["FaceMatches"] == []
    for call, name, threshold in (
        (rekognition.search_faces_by_image, "FaceMatches", "FaceMatchThreshold"),
        (rekognition.search_users_by_image, "UserMatches", "UserMatchThreshold"),
    ):
        matches = call(CollectionId="a", Image=photo, **{threshold: 100})[name]
        assert [match["Similarity"] for match in matches] == [pytest.approx(100, abs=1e-3)]
