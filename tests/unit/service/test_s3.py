"""The parts of reading from S3 that need no server."""

from __future__ import annotations

import sys

import pytest

from face_comparison.errors import UrlNotAllowed
from face_comparison.fetching.deadline import TimeLimit
from face_comparison.fetching.s3 import ObjectStore, refusal
from face_comparison.fetching.urls import S3Url


def store(*allowed: str) -> ObjectStore:
    return ObjectStore(allowed, max_bytes=1000, connect_seconds=1, read_seconds=1)


@pytest.mark.parametrize("url", [S3Url("other", "key"), S3Url("Images", "key"), S3Url("images2", "key")])
def test_disallowed_bucket_is_rejected_without_request(url: S3Url) -> None:
    with pytest.raises(UrlNotAllowed, match="bucket"):
        store("images", "more").read(url, TimeLimit.earliest(10, None))


@pytest.mark.parametrize("key", ["", "folder/"])
def test_url_without_key_is_rejected_without_request(key: str) -> None:
    with pytest.raises(UrlNotAllowed, match="s3://bucket/key"):
        store().read(S3Url("images", key), TimeLimit.earliest(10, None))


def test_missing_boto3_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)  # importing it fails, as where it is not installed
    with pytest.raises(UrlNotAllowed, match=r"face-comparison\[s3\]"):
        store().read(S3Url("images", "key"), TimeLimit.earliest(10, None))


def test_s3_error_codes_are_explained() -> None:
    assert refusal("NoSuchKey", "images") == "there is no such object in the S3 bucket images"
    assert refusal("SlowDown", "images") == "the S3 server answered SlowDown"
    assert "10.0.0.1" not in refusal("http://10.0.0.1/", "images")
