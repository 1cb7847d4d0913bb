"""Clients and settings for the S3 server of the tests."""

from __future__ import annotations

import os
from typing import Any

import boto3
import pytest
from botocore.config import Config

from face_comparison.fetching.fetcher import FetchPolicy

IMAGE = bytes(range(256)) * 500
LIMIT = 200_000
POLICY = FetchPolicy(max_bytes=LIMIT, seconds=60, connect_seconds=60, read_seconds=60)
SHORT = 0.5


def client(url: str) -> Any:
    return boto3.session.Session().client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="tester",
        aws_secret_access_key="tester-secret",
        config=Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1}),
    )


def configure(environment: pytest.MonkeyPatch, url: str) -> None:
    """The environment of a service whose operator configured this S3 server, and nothing of this machine's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        environment.delenv(name)
    environment.setenv("AWS_CONFIG_FILE", os.devnull)
    environment.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    environment.setenv("AWS_EC2_METADATA_DISABLED", "true")  # the tests ask no machine but this one
    environment.setenv("AWS_ACCESS_KEY_ID", "tester")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "tester-secret")
    environment.setenv("AWS_ENDPOINT_URL_S3", url)
