"""Clients of Amazon Rekognition's API for a service without keys."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config


def rekognition_client(url: str) -> Any:
    """Returns boto3's client; the service accepts any key."""
    return boto3.client(
        "rekognition",
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="anybody",
        aws_secret_access_key="x" * 20,
        config=Config(retries={"max_attempts": 1, "mode": "standard"}, proxies={}),
    )
