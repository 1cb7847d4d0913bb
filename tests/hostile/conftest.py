"""A service of two slots and a small queue, around an analyzer that obeys: a few bad clients would fill it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.served import Served, serving

SLOTS, QUEUE = 2, 8


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    options = {"threads": SLOTS, "queue": QUEUE, "request_seconds": 30, "allowed_hosts": "127.0.0.1"}
    with serving(tmp_path_factory.mktemp("hostile"), **options) as served:
        yield served.wait_ready()


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Served]:
    """The same, with little time for a request."""
    with serving(tmp_path, threads=SLOTS, queue=QUEUE, request_seconds=1) as served:
        yield served.wait_ready()
