"""Prepares views: the whole image as input of the detector, which proposes where faces may be.

A view is the image shrunk and padded to one of a few sizes that the detector was loaded for. Proposals are refined on
crops (`refinement.py`), so the detector may run on views in low precision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from face_comparison.vision.detections import Detections
from face_comparison.vision.detectors import STRIDE
from face_comparison.vision.pyramid import Pyramid

SEEN_PIXELS = 13.2
"""Longer side, in pixels of the view, of the smallest face that the detector still proposes."""

LARGE = 0.3
"""Longer side of a face, as a fraction of the image's, above which the face may be larger than a view shows well."""


PART = 0.6
"""Width and height of a part of an image, as a fraction of the image's. Parts overlap by more than a small face."""


def smallest_face(longest: int) -> float:
    """Returns the size, in pixels, of the smallest face to search for in an image of this longer side.

    It is 40 for 1920x1080 and 24 for 640 pixels. Nobody can be recognized from a smaller face, and detecting it would
    take a finer view.
    """
    return 16.0 + longest / 80.0


def view_side(longest: int, sides: Sequence[int]) -> int:
    """Returns the smallest of the ascending `sides` at which the smallest face is still proposed, or the largest."""
    needed_side = min(longest, SEEN_PIXELS * longest / smallest_face(longest))
    return next((side for side in sides if side >= needed_side), sides[-1])


def finer(longest: int, sides: Sequence[int]) -> tuple[float, int]:
    """Chooses the views that show an image with about twice the resolution of the view of `view_side`.

    Args:
        longest: Longer side of the image, in pixels.
        sides: Sides that the detector was loaded for, ascending.

    Returns:
        1.0 for a view of the whole image or PART for views of its `parts`, and the side in pixels that each is shrunk
        to.
    """
    needed_side = min(longest, 2 * view_side(longest, sides))
    part = 1.0 if needed_side <= sides[-1] else PART
    return part, next((side for side in sides if side >= part * needed_side), sides[-1])


def may_be_close_up(found: Detections, size: tuple[int, int], sure_confidence: float) -> bool:
    """Returns whether a face may fill the image, in which case the normal view shows it in too much detail.

    The view then shows no sure face, or a large detection that is not sure.

    Args:
        found: Detections in the view after non-maximum suppression, in pixels of the image.
        size: Height and width of the image, in pixels.
        sure_confidence: Score, 0-1, from which a face is sure.
    """
    sure = found.scores >= sure_confidence
    large = found.boxes[:, 2:].max(axis=1, initial=0.0) >= LARGE * max(size)
    return not sure.any() or bool((large & ~sure).any())


def draw(pyramid: Pyramid, side: int, max_scale: float) -> tuple[NDArray[np.uint8], float]:
    """Shrinks the image to fit into side x side pixels and to at most `max_scale` of its size.

    Returns:
        The view (H, W, 3) and its scale.
    """
    height, width = pyramid.size
    scale = min(max_scale, side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    level, _ = pyramid.level(1 / scale)
    return np.asarray(cv2.resize(level, size, interpolation=cv2.INTER_LINEAR), np.uint8), scale


def parts(height: int, width: int) -> list[tuple[int, int, int, int]]:
    """Returns left, top, right, and bottom, in pixels, of four overlapping parts that cover an image of this size."""
    across, down = math.ceil(PART * width), math.ceil(PART * height)
    return [
        (left, top, left + across, top + down)
        for top in sorted({0, height - down})
        for left in sorted({0, width - across})
    ]


def pad(view: NDArray[np.uint8], side: int, aspects: Sequence[float]) -> NDArray[np.uint8]:
    """Pads a view (H, W, 3) at the bottom and right to an input (1, H', W', 3) that the detector was loaded for."""
    height, width = view.shape[:2]
    canvas = np.zeros((1, *input_shape(height, width, side, aspects), 3), np.uint8)
    canvas[0, :height, :width] = view
    return canvas


def turn(view: NDArray[np.uint8], quarters: int) -> NDArray[np.uint8]:
    """Returns the view rotated so that heads with a roll of `quarters` times 90 degrees clockwise are upright."""
    return np.ascontiguousarray(np.rot90(view, quarters))


def turn_back(found: Detections, quarters: int, height: int, width: int) -> Detections:
    """Maps detections in a turned view back to pixels of the view (height x width) before it was turned."""
    boxes, landmarks = found.boxes, found.landmarks
    for step in range(quarters):
        # A quarter turn counterclockwise moved (x, y) to (y, width - x); undo it.
        across = np.float32(height if (quarters - 1 - step) % 2 else width)
        x, y, w, h = boxes.T
        boxes = np.stack([across - y - h, x, h, w], axis=1)
        landmarks = np.stack([across - landmarks[:, :, 1], landmarks[:, :, 0]], axis=2)
    return Detections(boxes, found.scores, landmarks)


def draw_tilted(pyramid: Pyramid, side: int, roll: float) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Draws the image rotated so that heads of this roll (degrees clockwise) are upright, within side x side pixels.

    Returns:
        The view (H, W, 3), black outside the image, and the matrix (2, 3) from the image to the view.
    """
    height, width = pyramid.size
    across, down = tilted_size(height, width, roll)
    scale = min(1.0, side / max(across, down))
    turn = scale * np.exp(-1j * np.radians(roll))
    size = max(1, round(across * scale)), max(1, round(down * scale))
    offset = (size[0] + 1j * size[1]) / 2 - turn * (width + 1j * height) / 2
    matrix = np.array([[turn.real, -turn.imag, offset.real], [turn.imag, turn.real, offset.imag]])
    return pyramid.warp(matrix, size[1], size[0]), matrix


def tilted_size(height: float, width: float, roll: float) -> tuple[float, float]:
    """Returns the width and height of the bounding box of a rectangle of this size, rotated by `roll` degrees."""
    cosine, sine = abs(np.cos(np.radians(roll))), abs(np.sin(np.radians(roll)))
    return float(width * cosine + height * sine), float(width * sine + height * cosine)


def tilted_back(found: Detections, matrix: NDArray[np.float64]) -> Detections:
    """Maps detections in a view back to the image, given the matrix (2, 3) from the image to the view.

    Boxes keep their width and height along the face's own axes.
    """
    turn, offset = complex(matrix[0, 0], matrix[1, 0]), complex(matrix[0, 2], matrix[1, 2])
    middles = found.boxes[:, None, :2] + found.boxes[:, None, 2:] / 2
    points = np.concatenate([middles, found.landmarks], axis=1).astype(np.float64)
    moved = (points @ (1, 1j) - offset) / turn
    placed = np.stack([moved.real, moved.imag], axis=2).astype(np.float32)
    sizes = found.boxes[:, 2:] / np.float32(abs(turn))
    return Detections(np.concatenate([placed[:, 0] - sizes / 2, sizes], axis=1), found.scores, placed[:, 1:])


def view_shapes(side: int, aspects: Sequence[float]) -> list[tuple[int, int]]:
    """Returns the detector's landscape inputs (height, width) for images shrunk to fit into side x side pixels.

    They are in the order of `aspects`, the flattest first.
    """
    return [(-(-round(side * aspect) // STRIDE) * STRIDE, side) for aspect in aspects]


def input_shape(height: int, width: int, side: int, aspects: Sequence[float]) -> tuple[int, int]:
    """Returns the height and width of the input that a view of this size, at most side x side, is padded to."""
    short, long = next(shape for shape in view_shapes(side, aspects) if shape[0] >= min(height, width))
    return (short, long) if width >= height else (long, short)
