"""The tests of this folder run over PostgreSQL only."""

from __future__ import annotations

import pytest


@pytest.fixture
def kind() -> str:
    return "postgresql"
