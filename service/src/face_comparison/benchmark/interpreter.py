"""Measures how long an image holds Python's interpreter lock, which limits a process that uses an accelerator.

The networks and the image decoder release the lock. Here, they are replaced by pauses and by their earlier results for
the same input. Many threads then analyze images at once, so that the time per image is the time that it holds the lock
or, with few cores, the time that OpenCV computes without the lock.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from face_comparison import engines
from face_comparison.benchmark import loops
from face_comparison.engines import Engine, Session, Shape
from face_comparison.image import Header, Reduce, decode
from face_comparison.vision.analyzer import assemble_analyzer
from face_comparison.vision.bundle import Bundle

PAUSE = 0.004
"""Simulated duration of a network or the decoder, in seconds."""

THREADS = 16
"""Number of threads, enough for some thread to always wait for the lock."""


class _Replay:
    """A session that, for images that it has run before, pauses and returns the earlier outputs."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[tuple[int, ...], int], Sequence[NDArray[np.float32]]] = {}

    def run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        # A few pixels are enough to distinguish images; reading all of them would add to the time that holds the lock.
        key = (images.shape, zlib.crc32(np.ascontiguousarray(images[:, ::7, ::7]).data))
        if key not in self._known:
            self._known[key] = self._session.run(images)
        else:
            time.sleep(PAUSE)
        return self._known[key]


class _ReplayEngine:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name, self.device = engine.name, engine.device

    def session(self, network: Path, shapes: Sequence[Shape], *, exact: bool = False) -> Session:
        return _Replay(self._engine.session(network, shapes, exact=exact))

    def exact_session(self, network: Path) -> Session | None:
        session = self._engine.exact_session(network)
        return session and _Replay(session)


def lock_time(bundle: Bundle, images: Sequence[bytes], total: int) -> float:
    """Returns the seconds per image that hold the lock, measured over `total` images, cycling through `images`."""
    pixels: dict[tuple[bytes, Reduce], NDArray[np.uint8]] = {}

    def decoded(data: bytes, header: Header, reduce: Reduce = 1) -> NDArray[np.uint8]:
        if (data, reduce) not in pixels:
            pixels[data, reduce] = decode(data, header, reduce)
        else:
            time.sleep(PAUSE)
        return pixels[data, reduce]

    engine = _ReplayEngine(engines.load("auto", "cpu", 1))
    analyzer = assemble_analyzer(bundle, engine, every_bucket=False, decode=decoded)
    for image in images:
        analyzer.analyze(image)
    return loops.loop([analyzer.analyze] * THREADS, images, total) / total
