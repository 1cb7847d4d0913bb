"""A reconciler on an in-memory cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.memory_world import MemoryWorld


@pytest.fixture
def world() -> Iterator[MemoryWorld]:
    created = MemoryWorld()
    yield created
    created.loop.close()
