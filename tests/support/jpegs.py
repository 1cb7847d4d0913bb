"""JPEGs, and what the service decodes them to."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from devtools.photos import kinds
from face_comparison import image
from face_comparison.errors import CorruptImage

JPEGS = {name: sample.data for name, sample in kinds.samples().items() if sample.data[:2] == b"\xff\xd8"}
SCAN, END = b"\xff\xda", b"\xff\xd9"
SCENE = Image.fromarray(kinds.scene(200, 150))
PLAIN = kinds.jpeg(SCENE)
RESTARTS = kinds.jpeg(SCENE, restart_marker_blocks=10)


def decoded(data: bytes, reduce: image.Reduce = 1) -> NDArray[np.uint8]:
    return image.decode(data, image.read_header(data), reduce)


def refusal(data: bytes) -> str:
    """Why it is corrupt; fails when it is not."""
    with pytest.raises(CorruptImage) as caught:
        decoded(data)
    return caught.value.message


def changed(data: bytes, place: int, content: bytes) -> bytes:
    return data[:place] + content + data[place + len(content) :]
