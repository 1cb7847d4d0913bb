"""Copies of a network share what they can, so that a service with many cores fits into its container."""

from __future__ import annotations

import subprocess
import sys

from face_comparison.vision.bundle import Bundle

EMBEDDER_MIB = 37
"""Size of the embedder's weights, in float32."""

MEASURE = """
import sys
from pathlib import Path
import numpy as np, psutil
from face_comparison.engines.openvino import OpenVinoEngine

session = OpenVinoEngine(int(sys.argv[2]), eager=True).session(Path(sys.argv[1]), [(1, 112, 112)])
session.run(np.zeros((1, 112, 112, 3), np.uint8))
print(psutil.Process().memory_full_info().uss)
"""


def used_mib(bundle: Bundle, copies: int) -> float:
    command = [sys.executable, "-c", MEASURE, str(bundle.embedder), str(copies)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return int(done.stdout) / 2**20


def test_copies_of_embedder_share_weights(default_bundle: Bundle) -> None:
    """Compiled again for each copy, it takes 61 MiB instead of 24: the weights a second time."""
    assert (used_mib(default_bundle, 6) - used_mib(default_bundle, 2)) / 4 < EMBEDDER_MIB
