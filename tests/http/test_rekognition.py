"""Amazon Rekognition's API, called by boto3 itself: requests signed and built, and responses parsed, by botocore."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from devtools import ROOT
from face_comparison.errors import Overloaded
from face_comparison.observability import metrics
from face_comparison.rekognition.operations import OPERATIONS
from face_comparison.rekognition.service_model import service_model
from face_comparison.serving.admission import Admission, Permit
from face_comparison.web.rekognition import PERMISSIONS
from support.analyzer import image
from support.running import Lines, Running
from support.servers import Server, reply

KEYS = {
    "amazon": "a-long-enough-key-1",
    "reader": "a-long-enough-key-2",
}
CONFIG = Config(retries={"max_attempts": 1, "mode": "standard"}, proxies={})


def client(url: str, key: str = "amazon", secret: str | None = None) -> Any:
    return boto3.client(
        "rekognition",
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret or KEYS.get(key, "x" * 20),
        config=CONFIG,
    )


@pytest.fixture
def rekognition(serve: Callable[..., str]) -> Any:
    return client(serve() + "/prod/rekognition")


def photo(*people: str) -> dict[str, bytes]:
    return {"Bytes": image(*people)}


def fault(call: Callable[..., Any], **parameters: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def test_amazon_script_runs_unchanged(serve: Callable[..., str]) -> None:
    """At the root of the host, as an endpoint that stands in for Amazon's is."""
    rekognition = client(serve())
    created = rekognition.create_collection(CollectionId="staff")
    assert created["StatusCode"] == 200
    assert created["CollectionArn"].endswith("collection/staff")
    indexed = rekognition.index_faces(CollectionId="staff", Image=photo("anna"), ExternalImageId="anna.jpg")
    record = indexed["FaceRecords"][0]
    assert record["Face"]["ExternalImageId"] == "anna.jpg"
    assert 0 <= record["FaceDetail"]["BoundingBox"]["Width"] <= 1
    found = rekognition.search_faces_by_image(CollectionId="staff", Image=photo("anna*"), FaceMatchThreshold=90)
    match = found["FaceMatches"][0]
    assert match["Face"]["FaceId"] == record["Face"]["FaceId"]
    assert 90 <= match["Similarity"] <= 100
    assert rekognition.search_faces_by_image(CollectionId="staff", Image=photo("bert"))["FaceMatches"] == []
    assert rekognition.delete_collection(CollectionId="staff")["StatusCode"] == 200


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


def test_manages_users_and_faces(rekognition: Any) -> None:
    rekognition.create_collection(CollectionId="staff")
    faces = {
        name: rekognition.index_faces(CollectionId="staff", Image=photo(name))["FaceRecords"][0]["Face"]["FaceId"]
        for name in ("anna", "anna*", "bert")
    }
    rekognition.create_user(CollectionId="staff", UserId="anna")
    assert fault(rekognition.create_user, CollectionId="staff", UserId="anna")[0] == "ConflictException"
    assert rekognition.list_users(CollectionId="staff")["Users"] == [{"UserId": "anna", "UserStatus": "CREATED"}]
    done = rekognition.associate_faces(
        CollectionId="staff", UserId="anna", FaceIds=[faces["anna"], faces["anna*"]], UserMatchThreshold=50
    )
    assert {each["FaceId"] for each in done["AssociatedFaces"]} == {faces["anna"], faces["anna*"]}
    done = rekognition.associate_faces(CollectionId="staff", UserId="anna", FaceIds=[faces["bert"]])
    assert done["UnsuccessfulFaceAssociations"][0]["Reasons"] == ["LOW_MATCH_CONFIDENCE"]

    found = rekognition.search_users_by_image(CollectionId="staff", Image=photo("bert", "anna**"))
    assert found["UserMatches"][0]["User"] == {"UserId": "anna", "UserStatus": "ACTIVE"}
    assert found["UnsearchedFaces"][0]["Reasons"] == ["FACE_NOT_LARGEST"]
    assert rekognition.search_users(CollectionId="staff", FaceId=faces["bert"])["UserMatches"] == []
    assert rekognition.search_users(CollectionId="staff", UserId="anna")["SearchedUser"] == {"UserId": "anna"}
    assert fault(rekognition.search_users, CollectionId="staff")[0] == "InvalidParameterException"
    by_face = rekognition.search_faces(CollectionId="staff", FaceId=faces["anna"], FaceMatchThreshold=50)
    assert [each["Face"]["FaceId"] for each in by_face["FaceMatches"]] == [faces["anna*"]]

    failed = rekognition.delete_faces(CollectionId="staff", FaceIds=[faces["anna"], faces["bert"]])
    assert failed["DeletedFaces"] == [faces["bert"]]
    assert failed["UnsuccessfulFaceDeletions"][0]["Reasons"] == ["ASSOCIATED_TO_AN_EXISTING_USER"]
    gone = rekognition.disassociate_faces(CollectionId="staff", UserId="anna", FaceIds=[faces["anna*"], faces["bert"]])
    assert gone["UnsuccessfulFaceDisassociations"][0]["Reasons"] == ["FACE_NOT_FOUND"]
    rekognition.delete_user(CollectionId="staff", UserId="anna")
    described = rekognition.describe_collection(CollectionId="staff")
    assert (described["FaceCount"], described["UserCount"]) == (2, 0)
    assert described["CreationTimestamp"].tzinfo is not None


def test_results_are_paged(rekognition: Any) -> None:
    for name in ("a", "b", "c"):
        rekognition.create_collection(CollectionId=name)
        rekognition.index_faces(CollectionId="a", Image=photo(name))
    pages = rekognition.get_paginator("list_collections").paginate(PaginationConfig={"PageSize": 2})
    assert [name for page in pages for name in page["CollectionIds"]] == ["a", "b", "c"]
    pages = rekognition.get_paginator("list_faces").paginate(CollectionId="a", PaginationConfig={"PageSize": 2})
    assert len([face for page in pages for face in page["Faces"]]) == 3


@pytest.mark.parametrize(
    ("operation", "parameters", "code", "status"),
    [
        ("describe_collection", {"CollectionId": "nobody"}, "ResourceNotFoundException", 400),
        ("create_collection", {"CollectionId": "a/b"}, "InvalidParameterException", 400),
        ("detect_faces", {"Image": {"Bytes": b"not an image"}}, "InvalidImageFormatException", 400),
        ("detect_faces", {"Image": {"Bytes": b"corrupt"}}, "InvalidImageFormatException", 400),
        ("detect_faces", {"Image": {"Bytes": b"huge"}}, "ImageTooLargeException", 400),
        ("detect_faces", {"Image": {}}, "InvalidParameterException", 400),
        ("detect_faces", {"Image": {"S3Object": {"Bucket": "photos"}}}, "InvalidS3ObjectException", 400),
        ("detect_faces", {"Image": {"Bytes": b"bug"}}, "InternalServerError", 500),
        ("compare_faces", {"SourceImage": photo(), "TargetImage": photo("a")}, "InvalidParameterException", 400),
        ("detect_labels", {"Image": photo("a")}, "UnknownOperationException", 400),
    ],
)
def test_errors_are_rekognition_errors(
    rekognition: Any, operation: str, parameters: dict[str, Any], code: str, status: int
) -> None:
    found = fault(getattr(rekognition, operation), **parameters)
    assert found[:2] == (code, status)
    assert found[2]


def test_errors_have_request_id(rekognition: Any) -> None:
    with pytest.raises(ClientError) as caught:
        rekognition.describe_collection(CollectionId="nobody")
    assert caught.value.response["ResponseMetadata"]["RequestId"]
    rekognition.create_collection(CollectionId="a")
    assert fault(rekognition.create_collection, CollectionId="a")[0] == "ResourceAlreadyExistsException"


def test_disabled_collections_are_explained(start: Callable[..., Running]) -> None:
    response = start().client.post(
        "/prod/rekognition", json={"CollectionId": "a"}, headers={"X-Amz-Target": "RekognitionService.CreateCollection"}
    )
    assert response.headers["x-amzn-ErrorType"] == response.get_json(force=True)["__type"] == "AccessDeniedException"
    assert "--collections" in response.get_json(force=True)["message"]


def test_signatures_are_accepted_by_both_apis(serve: Callable[..., str], tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"amazon:{KEYS['amazon']}\nreader:{KEYS['reader']}:detect\n")
    url = serve(auth="api-key", api_keys_file=str(keys))
    there = f"{url}/prod/rekognition"
    assert client(there).create_collection(CollectionId="staff")["StatusCode"] == 200
    assert fault(client(there, "nobody").list_collections)[0] == "UnrecognizedClientException"
    assert fault(client(there, secret=KEYS["reader"]).list_collections)[0] == "InvalidSignatureException"
    assert client(there, "reader").detect_faces(Image=photo("a"))["FaceDetails"]
    assert fault(client(there, "reader").list_collections)[0] == "AccessDeniedException"

    def native(method: str, path: str, body: bytes, secret: str) -> int:
        request = AWSRequest(method, url + path, data=body, headers={"Content-Type": "application/json"})
        SigV4Auth(Credentials("amazon", secret), "execute-api", "eu-west-1").add_auth(request)
        return urllib3.request(method, url + path, body=body or None, headers=dict(request.headers.items())).status

    detect = json.dumps({"img": "aGVsbG8="}).encode()
    for method, path, body, status in (
        ("POST", "/prod/face_comparison", detect, 400),  # authorized, and not an image
        ("GET", "/prod/face_comparison", b"", 200),
        ("GET", "/prod/face_comparison/collections/staff", b"", 200),
        ("GET", "/prod/face_comparison/collections/staff/export", b"", 200),
    ):
        assert native(method, path, body, KEYS["amazon"]) == status, path
        assert native(method, path, body, KEYS["reader"]) == 403, path


def test_wrong_secrets_and_names_are_throttled(start: Callable[..., Running], tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"amazon:{KEYS['amazon']}\n")
    running = start(auth="api-key", api_keys_file=str(keys))

    def guess(name: str) -> int:
        request = AWSRequest("GET", "http://localhost/prod/face_comparison", headers={"Host": "localhost"})
        SigV4Auth(Credentials(name, "wrong"), "rekognition", "eu-west-1").add_auth(request)
        return running.client.get("/prod/face_comparison", headers=dict(request.headers.items())).status_code

    assert (guess("amazon"), guess("nobody")) == (403, 401)
    gate = running.client.application.extensions["face_comparison.gate"]

    def guess_after_many(name: str) -> int:
        with pytest.raises(Overloaded):
            for _ in range(10_000):
                gate.count_failure("127.0.0.1", "unknown")
        return guess(name)

    # On a busy machine another guess may have become free again between the two.
    for name in ("amazon", "nobody"):
        assert 429 in (guess_after_many(name) for _ in range(20))


def test_collection_calls_are_audited(serve: Callable[..., str], lines: Lines) -> None:
    rekognition = client(serve())
    rekognition.create_collection(CollectionId="staff")
    rekognition.search_faces_by_image(CollectionId="staff", Image=photo("anna"))
    fault(rekognition.describe_collection, CollectionId="nobody")
    audit = [line for line in lines.entries if line["message"] == "audit"]
    assert [(line["action"], line["collection"], line["outcome"]) for line in audit] == [
        ("CreateCollection", "staff", "ok"),
        ("SearchFacesByImage", "staff", "ok"),
        ("DescribeCollection", "nobody", "not_found"),
    ]


def test_searches_are_counted_and_audited(serve: Callable[..., str], lines: Lines) -> None:
    rekognition = client(serve())
    rekognition.create_collection(CollectionId="staff")
    [record] = rekognition.index_faces(CollectionId="staff", Image=photo("anna"))["FaceRecords"]
    face_id = record["Face"]["FaceId"]
    rekognition.create_user(CollectionId="staff", UserId="anna-marie")
    rekognition.associate_faces(CollectionId="staff", UserId="anna-marie", FaceIds=[face_id])
    before = [metrics.COLLECTION_SEARCHES.labels(kind)._value.get() for kind in ("match", "unknown")]
    seconds = metrics.COLLECTION_SEARCH_SECONDS._sum.get()
    rekognition.search_faces_by_image(CollectionId="staff", Image=photo("anna"))
    rekognition.search_users_by_image(CollectionId="staff", Image=photo("zoe"))
    rekognition.search_faces(CollectionId="staff", FaceId=face_id)
    rekognition.search_users(CollectionId="staff", UserId="anna-marie")
    rekognition.search_users(CollectionId="staff", FaceId=face_id)
    after = [metrics.COLLECTION_SEARCHES.labels(kind)._value.get() for kind in ("match", "unknown")]
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 4]
    assert metrics.COLLECTION_SEARCH_SECONDS._sum.get() > seconds
    audit = {line["action"]: line for line in lines.entries if line["message"] == "audit"}
    assert audit["SearchFacesByImage"]["decisions"] == {"match": 1}
    assert audit["SearchUsersByImage"]["decisions"] == {"unknown": 1}
    assert all(audit[name]["n"] == 1 for name in audit if name.startswith("Search"))
    assert audit["IndexFaces"]["faces"] == audit["AssociateFaces"]["faces"] == 1
    assert audit["CreateUser"]["subject"] == audit["AssociateFaces"]["subject"]
    assert "anna" not in json.dumps(list(audit.values()))


def test_repeated_request_is_carried_out_once(rekognition: Any) -> None:
    """As an SDK repeats it when a response was lost: with the same ClientRequestToken."""
    rekognition.create_collection(CollectionId="staff")
    faces = [
        rekognition.index_faces(CollectionId="staff", Image=photo(name))["FaceRecords"][0]["Face"]["FaceId"]
        for name in ("anna", "anna*")
    ]
    create = {"CollectionId": "staff", "UserId": "anna", "ClientRequestToken": "create-1"}
    give = {"CollectionId": "staff", "UserId": "anna", "FaceIds": faces, "UserMatchThreshold": 0}
    take = {"CollectionId": "staff", "UserId": "anna", "FaceIds": faces[:1], "ClientRequestToken": "take-1"}
    delete = {"CollectionId": "staff", "UserId": "anna", "ClientRequestToken": "delete-1"}
    for _ in range(3):
        rekognition.create_user(**create)
    assert fault(rekognition.create_user, CollectionId="staff", UserId="anna")[0] == "ConflictException"
    for _ in range(2):
        given = rekognition.associate_faces(**give, ClientRequestToken="give-1")
        assert [each["FaceId"] for each in given["AssociatedFaces"]] == faces
        assert not given["UnsuccessfulFaceAssociations"]
    for _ in range(2):
        taken = rekognition.disassociate_faces(**take)
        assert [each["FaceId"] for each in taken["DisassociatedFaces"]] == faces[:1]
        assert not taken["UnsuccessfulFaceDisassociations"]
    for _ in range(2):
        rekognition.delete_user(**delete)
    assert rekognition.describe_collection(CollectionId="staff")["FaceCount"] == 2
    assert (
        fault(rekognition.delete_user, **{**delete, "ClientRequestToken": "delete-2"})[0] == "ResourceNotFoundException"
    )
    rekognition.create_user(CollectionId="staff", UserId="bert")
    for call, parameters in (
        (rekognition.create_user, create),
        (rekognition.delete_user, delete),
        (rekognition.associate_faces, {**give, "ClientRequestToken": "give-1"}),
        (rekognition.disassociate_faces, take),
    ):
        code, status, message = fault(call, **{**parameters, "UserId": "bert"})
        assert (code, status) == ("IdempotentParameterMismatchException", 400)
        assert "ClientRequestToken" in message
    # A token belongs to one operation, and a request that failed has not used it.
    assert fault(rekognition.create_user, **{**create, "CollectionId": "none", "ClientRequestToken": "x"})[0] == (
        "ResourceNotFoundException"
    )
    rekognition.create_user(CollectionId="staff", UserId="carl", ClientRequestToken="x")
    rekognition.delete_user(CollectionId="staff", UserId="carl", ClientRequestToken="x")


def test_user_has_at_most_100_faces(rekognition: Any) -> None:
    rekognition.create_collection(CollectionId="staff")
    rekognition.create_user(CollectionId="staff", UserId="anna")
    faces = [
        rekognition.index_faces(CollectionId="staff", Image=photo("anna"), ExternalImageId=str(number))
        for number in range(101)
    ]
    ids = [each["FaceRecords"][0]["Face"]["FaceId"] for each in faces]
    for number in (100, 0):
        done = rekognition.associate_faces(CollectionId="staff", UserId="anna", FaceIds=ids[:100])
        assert len(done["AssociatedFaces"]) == number
    with pytest.raises(rekognition.exceptions.ServiceQuotaExceededException):
        rekognition.associate_faces(CollectionId="staff", UserId="anna", FaceIds=ids[100:])


def test_missing_face_cannot_be_searched(rekognition: Any) -> None:
    """Amazon answers so; programs wait for it after IndexFaces."""
    rekognition.create_collection(CollectionId="staff")
    missing = "5b1d6c1e-52b5-4f0e-9f7c-0d3f8a1b2c3d"
    for call in (rekognition.search_faces, rekognition.search_users):
        with pytest.raises(rekognition.exceptions.InvalidParameterException, match="was not found in the collection"):
            call(CollectionId="staff", FaceId=missing)


def test_every_operation_requires_permission() -> None:
    assert PERMISSIONS.keys() == OPERATIONS.keys()
    assert set(OPERATIONS) <= set(service_model().operation_names)


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


def test_faces_already_as_asked_for_are_ignored(rekognition: Any) -> None:
    rekognition.create_collection(CollectionId="staff")
    [anna, bert] = [
        rekognition.index_faces(CollectionId="staff", Image=photo(name))["FaceRecords"][0]["Face"]["FaceId"]
        for name in ("anna", "bert")
    ]
    user = {"CollectionId": "staff", "UserId": "anna"}
    rekognition.create_user(**user)
    rekognition.associate_faces(**user, FaceIds=[anna])
    again = rekognition.associate_faces(**user, FaceIds=[anna])
    assert (again["AssociatedFaces"], again["UnsuccessfulFaceAssociations"]) == ([], [])
    free = rekognition.disassociate_faces(**user, FaceIds=[bert])
    assert (free["DisassociatedFaces"], free["UnsuccessfulFaceDisassociations"]) == ([], [])
    assert free["UserStatus"] == "ACTIVE"


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


def test_exceptions_are_sdk_classes(rekognition: Any) -> None:
    """What programs write after `except`."""
    with pytest.raises(rekognition.exceptions.ResourceNotFoundException):
        rekognition.list_faces(CollectionId="nobody")
    rekognition.create_collection(CollectionId="staff")
    with pytest.raises(rekognition.exceptions.ResourceAlreadyExistsException):
        rekognition.create_collection(CollectionId="staff")
    with pytest.raises(rekognition.exceptions.InvalidParameterException):
        rekognition.search_faces_by_image(CollectionId="staff", Image=photo())
    with pytest.raises(rekognition.exceptions.InvalidImageFormatException):
        rekognition.index_faces(CollectionId="staff", Image={"Bytes": b"GIF89a"})
    with pytest.raises(rekognition.exceptions.InvalidPaginationTokenException):
        rekognition.list_faces(CollectionId="staff", NextToken="!")
    with pytest.raises(rekognition.exceptions.InvalidPaginationTokenException):
        rekognition.list_collections(NextToken="no token")
    with pytest.raises(rekognition.exceptions.ResourceNotFoundException):
        rekognition.search_users(CollectionId="staff", UserId="nobody")


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


def test_sdk_retries_when_service_is_overloaded(serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    url = serve()
    patient: Any = boto3.client(
        "rekognition",
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(retries={"max_attempts": 3, "mode": "standard"}, proxies={}),
    )
    original, refusals = Admission.admit, iter([Overloaded("busy")] * 2)

    @contextmanager
    def admit(self: Admission, *arguments: Any) -> Iterator[Permit]:
        for refusal in refusals:
            raise refusal
        with original(self, *arguments) as permit:
            yield permit

    monkeypatch.setattr(Admission, "admit", admit)
    assert patient.list_collections()["ResponseMetadata"]["RetryAttempts"] == 2


def test_documented_script_runs(serve: Callable[..., str], tmp_path: Path) -> None:
    """Only the endpoint is another one."""
    page = (ROOT / "docs" / "how-to" / "rekognition.md").read_text()
    [script] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(script.splitlines()) <= 20
    script = script.replace("http://faces.example.com", serve())
    for name, person in (("anna", "anna"), ("gate", "anna*")):
        (tmp_path / f"{name}.jpg").write_bytes(image(person))
    environ = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "eu-central-1"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, **environ, "AWS_DEFAULT_REGION": "eu-central-1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    enrolled, found = done.stdout.splitlines()
    assert enrolled.startswith("enrolled ")
    assert found.startswith("anna ")
