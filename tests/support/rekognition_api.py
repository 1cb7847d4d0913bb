"""Amazon Rekognition's API of an application under test, called by boto3 itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from support.analyzer import image

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


def photo(*people: str) -> dict[str, bytes]:
    return {"Bytes": image(*people)}


def fault(call: Callable[..., Any], **parameters: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]
