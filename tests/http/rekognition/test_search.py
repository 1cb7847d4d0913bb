"""Searches by face, by image, and by user."""

from __future__ import annotations

from typing import Any

import pytest

from support.rekognition_api import fault, photo


def test_missing_face_cannot_be_searched(rekognition: Any) -> None:
    """Amazon answers so; programs wait for it after IndexFaces."""
    rekognition.create_collection(CollectionId="staff")
    missing = "5b1d6c1e-52b5-4f0e-9f7c-0d3f8a1b2c3d"
    for call in (rekognition.search_faces, rekognition.search_users):
        with pytest.raises(rekognition.exceptions.InvalidParameterException, match="was not found in the collection"):
            call(CollectionId="staff", FaceId=missing)


@pytest.mark.parametrize(
    ("people", "quality_filter", "reasons"),
    [((), "NONE", []), (("anna",), "MEDIUM", [["SMALL_BOUNDING_BOX"]])],
    ids=["no face", "a small face"],
)
def test_image_without_face_to_search_for(
    rekognition: Any, people: tuple[str, ...], quality_filter: str, reasons: list[list[str]]
) -> None:
    """For users, it is an image without matches; for faces, an invalid one."""
    rekognition.create_collection(CollectionId="staff")
    parameters = {"CollectionId": "staff", "Image": photo(*people), "QualityFilter": quality_filter}
    found = rekognition.search_users_by_image(**parameters)
    assert found["UserMatches"] == []
    assert "SearchedFace" not in found
    assert [each["Reasons"] for each in found["UnsearchedFaces"]] == reasons
    assert fault(rekognition.search_faces_by_image, **parameters)[0] == "InvalidParameterException"


def test_threshold_and_max_matches_are_applied(rekognition: Any) -> None:
    rekognition.create_collection(CollectionId="staff")
    for person in ("anna", "anna*", "anna**", "bert"):
        rekognition.index_faces(CollectionId="staff", Image=photo(person))

    def found(**parameters: Any) -> list[float]:
        reply = rekognition.search_faces_by_image(CollectionId="staff", Image=photo("anna"), **parameters)
        return [match["Similarity"] for match in reply["FaceMatches"]]

    everything = found(FaceMatchThreshold=0)
    assert len(everything) == 4
    assert everything == sorted(everything, reverse=True)
    assert found(FaceMatchThreshold=0, MaxFaces=2) == everything[:2]
    for number in range(3):
        between = (everything[number] + everything[number + 1]) / 2
        assert found(FaceMatchThreshold=between) == everything[: number + 1]
    assert 0 < len(found()) < 4  # the collection's own rate decides


def test_group_faces_are_searched_separately(rekognition: Any) -> None:
    """An attendance list, as programs for Amazon make it: find every face, cut it out, search it."""
    rekognition.create_collection(CollectionId="class")
    for person in ("anna", "bert"):
        rekognition.index_faces(CollectionId="class", Image=photo(person), ExternalImageId=person)
    present = set()
    details = rekognition.detect_faces(Image=photo("anna*", "bert*", "stranger"))["FaceDetails"]
    for person, detail in zip(("anna*", "bert*", "stranger"), details, strict=True):
        box = detail["BoundingBox"]
        assert 0 <= box["Left"] < box["Left"] + box["Width"] <= 1
        assert 0 <= detail["Quality"]["Brightness"] <= 100
        found = rekognition.search_faces_by_image(CollectionId="class", Image=photo(person), MaxFaces=1)
        present |= {match["Face"]["ExternalImageId"] for match in found["FaceMatches"]}
    assert present == {"anna", "bert"}
