"""AWS Signature Version 4: requests that botocore signed are recognized, and no other."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from face_comparison.rekognition.faults import RekognitionFault
from face_comparison.rekognition.signature import Signature, is_signed, parse_authorization, verify_signature

KEYS = {"reception": "a-long-enough-key", "gate": "another-long-key!"}
URL = "http://faces.example:8080/prod/rekognition/"
BODY = b'{"CollectionId":"staff"}'


def sign(
    body: bytes = BODY, key: str = KEYS["reception"], url: str = URL, service: str = "rekognition", token: str = ""
) -> dict[str, str]:
    headers = {"X-Amz-Target": "RekognitionService.ListFaces", "Host": "faces.example:8080", "User-Agent": "test"}
    request = AWSRequest("POST", url, headers=headers, data=body)
    SigV4Auth(Credentials("reception", key, token or None), service, "eu-west-1").add_auth(request)
    return dict(request.headers.items())


def verify(headers: dict[str, str], body: bytes = BODY, target: str = "/prod/rekognition/", **late: float) -> Signature:
    claimed = parse_authorization(headers["Authorization"])
    now = datetime.now(UTC) + timedelta(**late)
    verify_signature(claimed, "POST", target, headers, body, KEYS.get, now)
    return claimed


def fault(headers: dict[str, str], **options: object) -> tuple[str, str]:
    with pytest.raises(RekognitionFault) as caught:
        verify(headers, **options)  # type: ignore[arg-type]
    assert caught.value.status == 400
    return caught.value.name, caught.value.message


def test_signed_request_is_verified() -> None:
    assert verify(sign()).access_key_id == "reception"


def test_header_case_and_service_are_ignored() -> None:
    headers = {name.upper(): value for name, value in sign(service="execute-api", token="session").items()}
    assert verify({"Authorization": headers.pop("AUTHORIZATION")} | headers).service == "execute-api"


@pytest.mark.parametrize("target", ["/prod/x?b=2&a=1", "/prod/a%20b/"])
def test_paths_and_queries_are_signed(target: str) -> None:
    headers = sign(url=f"http://faces.example:8080{target}")
    assert verify(headers, target=target).region == "eu-west-1"
    assert fault(headers, target="/prod/y")[0] == "InvalidSignatureException"


def test_wrong_key_is_rejected() -> None:
    assert fault(sign(key=KEYS["gate"]))[0] == "InvalidSignatureException"


def test_unknown_name_is_rejected() -> None:
    headers = sign()
    headers["Authorization"] = headers["Authorization"].replace("reception", "nobody")
    assert fault(headers)[0] == "UnrecognizedClientException"


def test_changed_body_is_rejected() -> None:
    assert fault(sign(), body=b"{}")[0] == "InvalidSignatureException"


@pytest.mark.parametrize("digest", ["UNSIGNED-PAYLOAD", "0" * 64, ""])
def test_wrong_body_digest_is_rejected(digest: str) -> None:
    request = AWSRequest("POST", URL, headers={"Host": "faces.example:8080", "X-Amz-Content-SHA256": digest}, data=BODY)
    SigV4Auth(Credentials("reception", KEYS["reception"]), "rekognition", "eu-west-1").add_auth(request)
    assert "digest" in fault(dict(request.headers.items()))[1]


@pytest.mark.parametrize("name", ["X-Amz-Target", "Host", "X-Amz-Date"])
def test_changed_signed_header_is_rejected(name: str) -> None:
    assert fault(sign() | {name: "RekognitionService.DeleteFaces"})[0] == "InvalidSignatureException"


@pytest.mark.parametrize("name", ["x-amz-target", "host", "x-amz-date"])
def test_required_headers_must_be_signed(name: str) -> None:
    headers = sign()
    names = headers["Authorization"].split("SignedHeaders=")[1].split(",")[0]
    rest = ";".join(each for each in names.split(";") if each != name)
    headers["Authorization"] = headers["Authorization"].replace(names, rest)
    assert "must cover" in fault(headers)[1]


@pytest.mark.parametrize(("minutes", "word"), [(16, "Signature expired"), (-16, "Signature not yet current")])
def test_clock_skew_above_15_minutes_is_rejected(minutes: float, word: str) -> None:
    name, message = fault(sign(), minutes=minutes)
    assert name == "InvalidSignatureException"
    assert word in message
    assert verify(sign(), minutes=minutes * 0.9)


def test_scope_of_another_day_is_rejected() -> None:
    headers = sign()
    headers["Authorization"] = headers["Authorization"].replace(f"/{headers['X-Amz-Date'][:8]}/", "/20200101/")
    assert "credential scope" in fault(headers)[1]


@pytest.mark.parametrize(
    "text", ["AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a/b", "AWS4-HMAC-SHA256 " + "x" * 99999]
)
def test_incomplete_authorization_is_rejected(text: str) -> None:
    assert is_signed(text)
    with pytest.raises(RekognitionFault, match="must hold") as caught:
        parse_authorization(text)
    assert caught.value.name == "IncompleteSignatureException"


def test_other_kinds_of_authorization_are_not_signatures() -> None:
    assert not is_signed("Bearer AWS4-HMAC-SHA256")
    assert not is_signed("")


def test_excess_signed_headers_are_not_looked_up() -> None:
    signed = sign()
    names = ";".join(["host", "x-amz-date", "x-amz-target", *(f"x-{number}" for number in range(98))])
    headers = signed | {
        "Authorization": re.sub("SignedHeaders=[^,]+", f"SignedHeaders={names}", signed["Authorization"])
    }
    assert fault(headers) == ("IncompleteSignatureException", "SignedHeaders must be at most 100 names")
