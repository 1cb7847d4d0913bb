"""A fetcher for servers on loopback."""

from __future__ import annotations

import pytest

from face_comparison.fetching.fetcher import Fetcher
from support.fetching import POLICY


@pytest.fixture(scope="module")
def fetcher() -> Fetcher:
    return Fetcher(POLICY)
