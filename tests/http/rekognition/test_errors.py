"""Errors are Rekognition's, so that the SDK's exceptions and retries work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from face_comparison.errors import Overloaded
from face_comparison.serving.admission import Admission
from face_comparison.serving.permit import Permit
from support.rekognition_api import fault, photo
from support.running import Running


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
