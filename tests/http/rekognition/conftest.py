"""boto3's client of a service with a store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.rekognition_api import client


@pytest.fixture
def rekognition(serve: Callable[..., str]) -> Any:
    return client(serve() + "/prod/rekognition")
