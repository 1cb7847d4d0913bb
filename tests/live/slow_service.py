"""The real server, master and workers, with an analyzer that does what its "images" say.

    b"quick"           responds immediately: no face
    b"sleep 0.05"      takes that long
    b"hold PATH"       writes the worker's process ID to PATH.begun, and responds once PATH exists
    b"faces 100"       returns that many faces: a long response

While the file that LIVE_SABOTAGE names exists, no worker can start; its content is the reason. Loading takes
LIVE_LOAD_SECONDS, and as long as the file LIVE_LOADING exists. LIVE_NEWER adds a migration of the store, as in a newer
version.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import time
from pathlib import Path

import numpy as np

from face_comparison.api.limits import HASH_SIZE
from face_comparison.errors import InvalidBundle
from face_comparison.observability import logs
from face_comparison.server import gunicorn_app
from face_comparison.server.sizing import Sizing
from face_comparison.settings import Settings
from face_comparison.vision.analyzer import ModelInfo
from face_comparison.vision.types import Box, Face, ImageAnalysis, Quality
from support import migrating
from support.analyzer import MODEL

LEAKED: list[bytes] = []


class Mallinfo2(ctypes.Structure):
    """The result of glibc's `mallinfo2`."""

    names = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    _fields_ = [(name, ctypes.c_size_t) for name in names]


def bytes_in_use() -> int:
    """Returns the allocated bytes, including all of Python's with PYTHONMALLOC=malloc, without freed memory."""
    ask = ctypes.CDLL(None).mallinfo2
    ask.restype = Mallinfo2
    found = ask()
    return int(found.uordblks + found.hblkhd)


class ObedientAnalyzer:
    @property
    def model(self) -> ModelInfo:
        return MODEL

    def analyze(self, data: bytes, *, max_faces: int = 100, min_confidence: float | None = None) -> ImageAnalysis:
        order, _, rest = data.decode().partition(" ")
        faces: tuple[Face, ...] = ()
        if order == "sleep":
            time.sleep(float(rest))
        elif order == "hold":
            Path(rest + ".begun").write_text(str(os.getpid()))
            while not Path(rest).exists():
                time.sleep(0.002)
        elif order == "leak":
            LEAKED.append(os.urandom(int(rest)))
        elif order == "memory":
            gc.collect()
            Path(rest).write_text(str(bytes_in_use()))
        elif order == "faces":
            landmarks = np.zeros((5, 2), np.float32)
            vector = np.random.default_rng(1).normal(size=HASH_SIZE).astype(np.float32)
            face = Face(Box(0, 0, 10, 10), 0.9, landmarks, Quality(1, 1, 10), vector / np.linalg.norm(vector))
            faces = (face,) * int(rest)
        return ImageAnalysis(faces, 100, 100, {"decode": 0.0})


def load(settings: Settings, sizing: Sizing) -> ObedientAnalyzer:
    sabotage = Path(os.environ["LIVE_SABOTAGE"])
    if sabotage.exists():
        raise InvalidBundle(sabotage.read_text())
    time.sleep(float(os.environ.get("LIVE_LOAD_SECONDS", "0")))
    while Path(os.environ["LIVE_LOADING"]).exists():
        time.sleep(0.01)
    return ObedientAnalyzer()


if __name__ == "__main__":
    chosen = Settings.from_environ(os.environ)
    logs.configure(chosen.log_level)
    if "LIVE_NEWER" in os.environ:
        migrating.know(more=True)
    if failure := gunicorn_app.serve(chosen, load):
        sys.exit(failure)
