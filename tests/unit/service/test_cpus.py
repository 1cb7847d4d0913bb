"""Cores are counted as the container sees them."""

from __future__ import annotations

import os
from pathlib import Path

from face_comparison import cpus


def test_available_cpus_respects_container_limit(tmp_path: Path) -> None:
    machine = len(os.sched_getaffinity(0))
    for content, expected in (
        ("max 100000", machine),
        ("100000 100000", 1),
        ("50000 100000", 1),
        ("100000000 100000", machine),
        ("nonsense", machine),
    ):
        (tmp_path / "cpu.max").write_text(content)
        assert cpus.available_cpus(tmp_path / "cpu.max") == expected
    assert cpus.available_cpus(tmp_path / "missing") == machine
