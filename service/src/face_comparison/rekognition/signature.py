"""Verifies AWS Signature Version 4 with botocore's own signer: what it would have signed must be what came.

Sources: "AWS Signature Version 4 for API requests" in the IAM User Guide; `botocore.auth.SigV4Auth`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from face_comparison.rekognition.faults import RekognitionFault

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_SKEW = timedelta(minutes=15)
MAX_SIGNED_HEADERS = 100
"""As many as a request may have. The signer takes a look at all of them for each: 40 ms for a thousand."""
_HOST = re.compile(r"[A-Za-z0-9._-]{1,255}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
_TIMESTAMP = "%Y%m%dT%H%M%SZ"

_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} +Credential=([^/,\s]{{1,128}})/(\d{{8}})/([a-z0-9-]{{1,64}})/([a-z0-9-]{{1,64}})/aws4_request, *"
    r"SignedHeaders=([a-z0-9;_-]{1,4096}), *Signature=([0-9a-f]{64})"
)


class Headers(Protocol):
    """Of a request; names in any case."""

    def get(self, name: str, default: str, /) -> str:
        """Returns the value of a header."""
        ...


@dataclass(frozen=True, slots=True)
class Signature:
    """What an `Authorization` header of Signature Version 4 claims.

    Attributes:
        access_key_id: The name of an API key.
        signed_headers: Lower-case names of the headers that the signature covers.
    """

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str


def is_signed(authorization: str) -> bool:
    """Returns whether an `Authorization` header is one of Signature Version 4."""
    return authorization.lstrip().startswith(ALGORITHM)


def signer(headers: Headers) -> str | None:
    """Returns the access key id that a request claims to be signed with; None when it is not signed.

    A request that also carries an API key is judged by that key. A signature that cannot be parsed has an empty id.
    """
    authorization = headers.get("Authorization", "")
    if not is_signed(authorization) or headers.get("X-Api-Key", ""):
        return None
    found = _AUTHORIZATION.fullmatch(authorization.strip())
    return found[1] if found else ""


def parse_authorization(authorization: str) -> Signature:
    """Takes the header apart.

    Raises:
        RekognitionFault: IncompleteSignatureException.
    """
    found = _AUTHORIZATION.fullmatch(authorization.strip())
    if found is None:
        raise RekognitionFault(
            "IncompleteSignatureException", "Authorization must hold Credential, SignedHeaders and Signature"
        )
    access_key_id, date, region, service, names, signature = found.groups()
    signed_headers = tuple(names.split(";"))
    if len(signed_headers) > MAX_SIGNED_HEADERS:
        raise RekognitionFault(
            "IncompleteSignatureException", f"SignedHeaders must be at most {MAX_SIGNED_HEADERS} names"
        )
    return Signature(access_key_id, date, region, service, signed_headers, signature)


def verify_signature(
    claimed: Signature,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes | bytearray | memoryview,
    find_secret: Callable[[str], str | None],
    now: datetime,
) -> None:
    """Checks that the request was signed with the named key, no more than 15 minutes ago.

    Args:
        claimed: Of the request's `Authorization` header.
        method: Of the request.
        target: Path and query as the client sent them.
        headers: Of the request; names in any case.
        body: Of the request.
        find_secret: Returns the key of a name, None when there is none.
        now: Current time, UTC.

    Raises:
        RekognitionFault: UnrecognizedClientException for an unknown name, InvalidSignatureException for another key,
            another request than the signed one, or another time.
    """
    # Not at the top: it takes a moment to import, and most requests carry no signature.
    from botocore.auth import SigV4Auth  # noqa: PLC0415
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.credentials import Credentials  # noqa: PLC0415

    secret = find_secret(claimed.access_key_id)
    if secret is None:
        raise RekognitionFault("UnrecognizedClientException", "the access key id is not the name of an API key")
    by_lower_name = {name.lower(): value for name, value in headers.items()}
    timestamp = by_lower_name.get("x-amz-date", "")
    covered = (
        {"host", "x-amz-date"}
        | ({"x-amz-target"} & by_lower_name.keys())
        | ({"x-amz-content-sha256"} & by_lower_name.keys())
    )
    if not covered <= set(claimed.signed_headers):
        raise _mismatch(f"the signature must cover the headers {', '.join(sorted(covered))}")
    _check_time(timestamp, claimed.date, now)
    digest = by_lower_name.get("x-amz-content-sha256")
    if digest is not None and not hmac.compare_digest(digest.encode(), _sha256(body).encode()):
        raise _mismatch("x-amz-content-sha256 is not the digest of the body")

    host = by_lower_name.get("host", "")
    if not _HOST.fullmatch(host):
        raise _mismatch("the Host header is not a host name or address")
    request = AWSRequest(method=method, url=f"http://{host}{target}", data=bytes(body))
    for name in claimed.signed_headers:
        request.headers[name] = by_lower_name.get(name, "")
    request.context["timestamp"] = timestamp
    signer = SigV4Auth(Credentials(claimed.access_key_id, secret), claimed.service, claimed.region)
    expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    if not hmac.compare_digest(expected.encode(), claimed.signature.encode()):
        raise _mismatch("the signature does not match: check the secret access key, which is the API key itself")


def _check_time(timestamp: str, date: str, now: datetime) -> None:
    try:
        signed = datetime.strptime(timestamp, _TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        raise _mismatch("x-amz-date must be a time such as 20260131T120000Z") from None
    if signed.strftime("%Y%m%d") != date:
        raise _mismatch("the date of the credential scope is not that of x-amz-date")
    if abs(now - signed) > MAX_SKEW:
        reason = "expired" if now > signed else "not yet current"
        raise _mismatch(f"Signature {reason}: {timestamp} is more than 15 minutes from {now.strftime(_TIMESTAMP)}")


def _sha256(body: bytes | bytearray | memoryview) -> str:
    return hashlib.sha256(body).hexdigest()


def _mismatch(message: str) -> RekognitionFault:
    return RekognitionFault("InvalidSignatureException", message)
