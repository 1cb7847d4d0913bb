"""Faces in images: detected, compared, indexed, and described consistently."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.analyzer import image
from support.rekognition_api import client, photo
from support.servers import Server, reply


def test_detects_and_compares(rekognition: Any) -> None:
    details = rekognition.detect_faces(Image=photo("anna", "bert"), Attributes=["ALL"])["FaceDetails"]
    assert len(details) == 2
    assert {point["Type"] for point in details[0]["Landmarks"]} >= {"eyeLeft", "eyeRight", "nose"}
    assert 0 < details[0]["Confidence"] <= 100
    assert "AgeRange" not in details[0]
    assert rekognition.detect_faces(Image=photo())["FaceDetails"] == []
    compared = rekognition.compare_faces(SourceImage=photo("anna"), TargetImage=photo("bert", "anna*"))
    assert len(compared["FaceMatches"]) == len(compared["UnmatchedFaces"]) == 1
    assert compared["FaceMatches"][0]["Similarity"] > 80
    strict = rekognition.compare_faces(SourceImage=photo("anna"), TargetImage=photo("bert"), SimilarityThreshold=0)
    assert len(strict["FaceMatches"]) == 1


def test_faces_are_described_consistently(rekognition: Any) -> None:
    """As Amazon's documents list the members of a Face."""
    version = rekognition.create_collection(CollectionId="staff")["FaceModelVersion"]
    image = photo("anna")
    indexed = rekognition.index_faces(CollectionId="staff", Image=image, ExternalImageId="anna:1.jpg")
    [record] = indexed["FaceRecords"]
    face = record["Face"]
    assert set(face) == {
        "FaceId", "BoundingBox", "ImageId", "ExternalImageId", "Confidence", "IndexFacesModelVersion",
    }  # fmt: skip
    assert face["IndexFacesModelVersion"] == indexed["FaceModelVersion"] == version
    assert rekognition.list_faces(CollectionId="staff")["Faces"] == [face]
    found = rekognition.search_faces_by_image(CollectionId="staff", Image=image)
    assert [match["Face"] for match in found["FaceMatches"]] == [face]
    assert found["SearchedFaceBoundingBox"] == record["FaceDetail"]["BoundingBox"]
    assert 0 < found["SearchedFaceConfidence"] <= 100
    # The same image with the same ExternalImageId is the same face, with another it is one more.
    again = rekognition.index_faces(CollectionId="staff", Image=image, ExternalImageId="anna:1.jpg")
    assert again["FaceRecords"][0]["Face"] == face
    other = rekognition.index_faces(CollectionId="staff", Image=image, ExternalImageId="anna:2.jpg")
    assert other["FaceRecords"][0]["Face"]["ImageId"] == face["ImageId"]
    assert rekognition.describe_collection(CollectionId="staff")["FaceCount"] == 2


def test_excess_faces_are_unindexed_with_reason(rekognition: Any) -> None:
    rekognition.create_collection(CollectionId="staff")
    group = photo("anna", "bert", "carl")
    indexed = rekognition.index_faces(CollectionId="staff", Image=group, MaxFaces=1, DetectionAttributes=["ALL"])
    assert len(indexed["FaceRecords"]) == 1
    assert [each["Reasons"] for each in indexed["UnindexedFaces"]] == [["EXCEEDS_MAX_FACES"]] * 2
    areas = [
        each["FaceDetail"]["BoundingBox"]["Width"] * each["FaceDetail"]["BoundingBox"]["Height"]
        for each in indexed["FaceRecords"] + indexed["UnindexedFaces"]
    ]
    assert areas[0] == max(areas)
    assert rekognition.index_faces(CollectionId="staff", Image=photo())["FaceRecords"] == []


def test_faces_of_low_quality_go_before_small_ones(rekognition: Any) -> None:
    """As the service model documents MaxFaces. The larger a face of a fake image is, the less certain it is."""
    rekognition.create_collection(CollectionId="staff")
    group = photo("anna", "bert", "carl", "dora", "emil")
    indexed = rekognition.index_faces(CollectionId="staff", Image=group, MaxFaces=1, QualityFilter="MEDIUM")
    assert [each["FaceDetail"] for each in indexed["FaceRecords"]] == [
        rekognition.detect_faces(Image=group)["FaceDetails"][2]
    ]
    assert [each["Reasons"] for each in indexed["UnindexedFaces"]] == [
        ["LOW_CONFIDENCE"],
        ["LOW_CONFIDENCE"],
        ["EXCEEDS_MAX_FACES"],
        ["EXCEEDS_MAX_FACES", "SMALL_BOUNDING_BOX"],
    ]


def test_images_are_read_from_s3(serve: Callable[..., str], images: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    images.replies["/photos/people/anna.jpg"] = reply(image("anna"), content_type="image/jpeg")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "not-a-secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", images.url(""))
    rekognition = client(serve(allowed_buckets=("photos",)))
    rekognition.create_collection(CollectionId="staff")
    stored = {"S3Object": {"Bucket": "photos", "Name": "people/anna.jpg"}}
    assert len(rekognition.index_faces(CollectionId="staff", Image=stored)["FaceRecords"]) == 1
    assert len(rekognition.search_faces_by_image(CollectionId="staff", Image=stored)["FaceMatches"]) == 1
    for bucket, key in (("secrets", "people/anna.jpg"), ("photos", "nobody.jpg")):
        with pytest.raises(rekognition.exceptions.InvalidS3ObjectException):
            rekognition.detect_faces(Image={"S3Object": {"Bucket": bucket, "Name": key}})
