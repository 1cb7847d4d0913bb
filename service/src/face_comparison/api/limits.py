"""Bounds that the API promises; what enforces them imports them from here, and so does what documents them."""

from __future__ import annotations

from typing import Literal, get_args

HASH_SIZE = 768
"""Numbers in a `face_hash`. An embedding with fewer dimensions is padded with zeros, which changes no distance."""

LANDMARK_TYPES = ("eyeRight", "eyeLeft", "nose", "mouthRight", "mouthLeft")
"""Names of the five landmarks, in the detector's order; left and right are the person's own."""

MAX_FACES = 100
"""Maximum faces in one response, and the default of `max_faces`."""

MAX_TARGETS = 100
"""Maximum targets of one comparison."""

MAX_DISTANCE = 2.0
"""Maximum Euclidean distance between two points on the unit sphere."""

Unreliability = Literal[
    "EXTREME_POSE", "CUT_OFF", "UNSTABLE_LANDMARKS", "LOW_SHARPNESS", "LOW_BRIGHTNESS", "SMALL_FACE"
]
"""Why the hash of a detected face is not reliable."""

UNRELIABILITY: tuple[Unreliability, ...] = get_args(Unreliability)
