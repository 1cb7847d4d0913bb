"""Images from a real S3 server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from face_comparison.errors import (
    BodyTooLarge,
    FaceComparisonError,
    UrlFetchFailed,
    UrlNotAllowed,
)
from face_comparison.fetching.fetcher import Fetcher
from support.s3 import IMAGE, LIMIT, POLICY, configure


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("s3://images/a.jpg", IMAGE),
        ("S3://images/dir/a b+ä%20?.jpg", IMAGE),
        ("s3://images/zip", IMAGE),
        ("s3://images/empty", b""),
        ("s3://images/limit", bytes(LIMIT)),
        ("s3://other/a.jpg", b"of the other bucket"),
    ],
)
def test_fetches_object(fetcher: Fetcher, url: str, body: bytes) -> None:
    assert fetcher.fetch(url) == body


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("s3://images/large", BodyTooLarge, str(LIMIT)),
        ("s3://images/bomb", BodyTooLarge, str(LIMIT)),
        ("s3://images/missing", UrlFetchFailed, "no such object in the S3 bucket images"),
        ("s3://nowhere/a.jpg", UrlFetchFailed, "no S3 bucket nowhere"),
        ("s3://images/", UrlNotAllowed, "s3://bucket/key"),
        ("s3://images", UrlNotAllowed, "s3://bucket/key"),
        ("s3://images/dir/", UrlNotAllowed, "s3://bucket/key"),
        ("s3://images/../other/a.jpg", UrlNotAllowed, "between its slashes"),
    ],
)
def test_failures_are_explained(fetcher: Fetcher, url: str, error: type[FaceComparisonError], says: str) -> None:
    with pytest.raises(error) as failed:
        fetcher.fetch(url)
    assert says in failed.value.message
    assert "127.0.0.1" not in failed.value.message
    assert "missing" not in failed.value.message


def test_client_is_shared_by_threads(fetcher: Fetcher) -> None:
    with ThreadPoolExecutor(8) as threads:
        bodies = list(threads.map(fetcher.fetch, ["s3://images/a.jpg", "s3://other/a.jpg"] * 20))
    assert bodies == [IMAGE, b"of the other bucket"] * 20


def test_bucket_allow_list_is_enforced(endpoint: str, admin: object, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, endpoint)
    careful = Fetcher(replace(POLICY, allowed_buckets=("images",)))
    assert careful.fetch("s3://images/a.jpg") == IMAGE
    with pytest.raises(UrlNotAllowed):
        careful.fetch("s3://other/a.jpg")


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong", "rejected this service's credentials"),
        ("AWS_ACCESS_KEY_ID", "stranger", "the S3 server (rejected this service's credentials|answered [A-Za-z]+$)"),
        ("AWS_ACCESS_KEY_ID", None, "credentials for S3"),
    ],
)
def test_wrong_credentials_are_reported(
    endpoint: str, admin: object, monkeypatch: pytest.MonkeyPatch, variable: str, value: str | None, says: str
) -> None:
    configure(monkeypatch, endpoint)
    if value is None:
        monkeypatch.delenv(variable)
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    else:
        monkeypatch.setenv(variable, value)
    with pytest.raises(UrlFetchFailed, match=says):
        Fetcher(POLICY).fetch("s3://images/a.jpg")
