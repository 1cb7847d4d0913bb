"""The reconcile rules on an in-memory cluster; tests/cluster runs them on the real API server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.memory_world import MemoryWorld
from support.reconcile_rules import RULES


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule(world: MemoryWorld, rule: Callable[[Any], None]) -> None:
    rule(world)
