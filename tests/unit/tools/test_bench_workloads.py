"""Images that the service is measured with beside OpenCV's own loop."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from devtools import bench_workloads
from devtools.photos import samples


@pytest.mark.parametrize("name", ["obama2.jpg", "obama3.jpg"])
def test_frame_is_half_a_megapixel_of_the_same_shape(name: str) -> None:
    path = samples.photographs(name)[name]
    photo, frame = cv2.imread(str(path)), cv2.imdecode(np.frombuffer(bench_workloads.frame(path), np.uint8), 1)
    assert photo is not None
    assert frame is not None
    assert frame.shape[0] * frame.shape[1] == pytest.approx(500_000, rel=0.01)
    assert frame.shape[0] / frame.shape[1] == pytest.approx(photo.shape[0] / photo.shape[1], rel=0.01)
