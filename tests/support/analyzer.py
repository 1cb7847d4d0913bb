"""An analyzer without models, whose "images" say in words who is on them.

image("anna", "bert")    two faces; the first is the more certain and the smaller one
image("anna*")           anna again, on another photograph: near, not equal
b"corrupt", b"huge"        what the real analyzer would refuse
b"bug"…                    what nobody expected
"""

from __future__ import annotations

import threading
import zlib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from face_comparison.api.limits import HASH_SIZE
from face_comparison.errors import CorruptImage, ImageTooLarge, InvalidBundle, UnsupportedFormat
from face_comparison.vision.analyzer import ModelInfo
from face_comparison.vision.types import Box, Face, ImageAnalysis, Quality

WIDTH, HEIGHT = 1000, 500
MODEL = ModelInfo(
    version="fake-1",
    bundle="fake",
    threshold=1.128,
    scale=0.08,
    min_confidence=0.5,
    device="cpu",
    engine="none",
    licences=("Apache-2.0",),
)
BUG = "broken inside: /srv/models https://internal.example/?token=abc"


def image(*people: str) -> bytes:
    return b"faces:" + ",".join(people).encode()


def vector(person: str) -> NDArray[np.float32]:
    """Returns the hash of a person: unit length, zero beyond 128 numbers; `*` mixes in somebody else."""
    name = person.rstrip("*")
    direction = np.random.default_rng(zlib.crc32(name.encode())).normal(size=128)
    for star in range(len(person) - len(name)):
        direction += 0.3 * np.random.default_rng(star).normal(size=128)
    padded = np.zeros(HASH_SIZE, np.float32)
    padded[:128] = direction / np.linalg.norm(direction)
    return padded


class FakeAnalyzer:
    """`held`: while it is set, analysis waits; `started` is released once per started analysis."""

    model = MODEL

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.started = threading.Semaphore(0)

    def analyze(self, data: bytes, *, max_faces: int = 100, min_confidence: float | None = None) -> ImageAnalysis:
        self.started.release()
        assert self.go.wait(60)
        minimum = MODEL.min_confidence if min_confidence is None else min_confidence
        if data == b"corrupt":
            raise CorruptImage("the image is damaged: its data ends early")
        if data == b"huge":
            raise ImageTooLarge("the image is 5000 x 10 pixels: its longest side may have 4096")
        if data.startswith(b"bug"):
            raise RuntimeError(BUG)
        if data == b"bundle":
            raise InvalidBundle(BUG)
        if not data.startswith(b"faces:"):
            raise UnsupportedFormat("the image is not a JPG, PNG or BMP")
        people = [name for name in data.decode().removeprefix("faces:").split(",") if name]
        faces = [_face(index, person) for index, person in enumerate(people)]
        faces = sorted(faces, key=lambda face: face.box.area, reverse=True)[:max_faces]
        faces = sorted((f for f in faces if f.confidence >= minimum), key=lambda face: -face.confidence)
        return ImageAnalysis(tuple(faces), WIDTH, HEIGHT, {"decode": 0.001, "detect": 0.002, "embed": 0.003})


class NarrowAnalyzer(FakeAnalyzer):
    """Reports how wide its embeddings are, as a real analyzer does."""

    model = replace(MODEL, embedding_width=128)


def _face(index: int, person: str) -> Face:
    left, top, side = 100.0 * index - 10.0, 25.0, 50.0 + 10.0 * index
    points = [(0.7, 0.4), (0.3, 0.4), (0.5, 0.6), (0.65, 0.8), (0.35, 0.8)]
    return Face(
        box=Box(left, top, side, side),
        confidence=0.95 - 0.1 * index,
        landmarks=np.array([(left + x * side, top + y * side) for x, y in points], np.float32),
        quality=Quality(sharpness=50.0, brightness=40.0, face_size=side),
        hash=vector(person),
    )
