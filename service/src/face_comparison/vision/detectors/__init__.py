"""Detector architectures: how the outputs of a network become candidates. A manifest's `architecture` names one.

To add an architecture, add a module to this folder and an entry to `DETECTORS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from face_comparison.vision.detections import Candidates
from face_comparison.vision.detectors import scrfd, yunet


class Decode(Protocol):
    """Turns the outputs of a detector's network into candidates."""

    def __call__(self, outputs: Sequence[NDArray[np.float32]], height: int, width: int, min_score: float) -> Candidates:
        """Decodes a batch.

        Args:
            outputs: In the network's own order; the first axis is the batch.
            height: Height of the network's input in pixels, a multiple of STRIDE.
            width: Width of the network's input in pixels, a multiple of STRIDE.
            min_score: Minimum score, 0-1; candidates below it are dropped.
        """
        ...


DETECTORS: Mapping[str, Decode] = {"yunet": yunet.decode, "scrfd": scrfd.decode}

STRIDE = 32
"""The sides of a detector's input are multiples of this: the largest stride of all architectures, in pixels."""
