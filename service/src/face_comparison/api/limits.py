"""Limits of the API, imported by the code that enforces them and by the code that documents them."""

from __future__ import annotations

from typing import Literal, get_args

HASH_SIZE = 768
"""Numbers in a `face_hash`. Shorter embeddings are padded with zeros, which does not change distances."""

LANDMARK_TYPES = ("eyeRight", "eyeLeft", "nose", "mouthRight", "mouthLeft")
"""Names of the five landmarks, in the detector's order; left and right are from the person's point of view."""

MAX_FACES = 100
"""Maximum faces in one response, and the default of `max_faces`."""

MAX_TARGETS = 100
"""Maximum number of targets per comparison."""

MAX_DISTANCE = 2.0
"""Maximum Euclidean distance between two points on the unit sphere."""

Unreliability = Literal[
    "EXTREME_POSE",
    "CUT_OFF",
    "UNSTABLE_LANDMARKS",
    "INDISTINCT_FEATURES",
    "LOW_SHARPNESS",
    "LOW_BRIGHTNESS",
    "SMALL_FACE",
]
"""Why the hash of a detected face is not reliable."""

UNRELIABILITY: tuple[Unreliability, ...] = get_args(Unreliability)
