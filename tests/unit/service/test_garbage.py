"""Garbage is collected while few connections are open, and otherwise seldom."""

from __future__ import annotations

import subprocess
import sys

import pytest

from face_comparison.server.garbage import CALM_CONNECTIONS, CALM_SECONDS, CROWDED_SECONDS, CollectionPolicy


@pytest.mark.parametrize(
    ("connections", "pause"), [(0, CALM_SECONDS), (CALM_CONNECTIONS, CALM_SECONDS), (2_000, CROWDED_SECONDS)]
)
def test_collections_are_apart(connections: int, pause: float) -> None:
    now = 100.0
    policy = CollectionPolicy(lambda: now)
    due = []
    for _ in range(int(3 * pause) + 1):
        if policy.is_due(connections):
            due.append(now - 100)
        now += 1
    assert due == [pause, 2 * pause, 3 * pause]


def test_loaded_objects_are_not_collected() -> None:
    """In a process of its own, which it changes."""
    check = (
        "import gc; from face_comparison.server import garbage; loaded = len(gc.get_objects());"
        "garbage.keep_loaded(); print(gc.get_freeze_count() > loaded / 2, len(gc.get_objects()) < 1000,"
        "gc.get_threshold()[2] > 10**6)"
    )
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout.split() == ["True", "True", "True"]
