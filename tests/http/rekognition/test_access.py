"""Signatures, permissions, audit lines, and metrics."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from face_comparison.errors import Overloaded
from face_comparison.observability import metrics
from face_comparison.rekognition.operations import OPERATIONS
from face_comparison.rekognition.service_model import service_model
from face_comparison.web.rekognition import PERMISSIONS
from support.rekognition_api import KEYS, client, fault, photo
from support.running import Lines, Running


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


def test_every_operation_requires_permission() -> None:
    assert PERMISSIONS.keys() == OPERATIONS.keys()
    assert set(OPERATIONS) <= set(service_model().operation_names)
