"""Draws the lower part of a row: close-ups of both faces, the verdict in words, and the distance on a scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from face_comparison.rendering.strokes import SUBPIXELS, Color, Image, at, plate
from face_comparison.rendering.style import DIFFERENT, GROUND, INK, OTHER, SAME, SOFT, Sizes
from face_comparison.rendering.text import draw_text, shorten, text_width
from face_comparison.vision.matching import Calibration
from face_comparison.vision.types import Box, Face

if TYPE_CHECKING:
    from face_comparison.rendering.comparison import Compared


def draw_frame(canvas: Image, box: Box, color: Color, line: int) -> None:
    """Draws the frame of a face."""
    corners = at(box.left, box.top), at(box.left + box.width, box.top + box.height)
    for stroke, width in ((GROUND, line + 2), (color, line)):
        cv2.rectangle(canvas, *corners, stroke, width, cv2.LINE_AA, SUBPIXELS)


def draw_verdict(
    canvas: Image, source: tuple[Image, Face], target: Compared, calibration: Calibration, sizes: Sizes
) -> None:
    """Draws the result of a target below its images."""
    edge, side = sizes.of(16), sizes.of(96)
    top = canvas.shape[0] - edge - sizes.of(128) + edge
    left = 2 * edge
    found = target.found
    closeups = [(*source, OTHER)]
    if not isinstance(found, str):
        color = SAME if found.faces[0].same_person else DIFFERENT
        closeups = [(*source, color)]
        if target.image is not None and found.faces[0].face is not None:
            closeups.append((target.image, found.faces[0].face, color))
    for image, face, color in closeups:
        canvas[top : top + side, left : left + side] = _closeup(image, face, side)
        draw_frame(canvas, Box(left, top, side - 1, side - 1), color, sizes.of(3))
        left += side + edge // 2
    left += edge
    room = canvas.shape[1] - left - 2 * edge
    big, small = sizes.of(30), sizes.of(18)
    if isinstance(found, str):
        draw_text(canvas, shorten("No verdict", big, room), left, top + sizes.of(8), big, INK)
        draw_text(canvas, shorten(found, small, room), left, top + sizes.of(56), small, SOFT)
        return
    best = found.faces[0]
    verdict = "Same person" if best.same_person else "Different people"
    color = SAME if best.same_person else DIFFERENT
    draw_text(canvas, shorten(verdict, big, room), left, top, big, color)
    beside = left + text_width(verdict, big) + edge
    sure = f"probability of one person {_percent(best.confidence)}"
    if beside + text_width(sure, small) <= left + room:
        draw_text(canvas, sure, beside, top + sizes.of(9), small, SOFT)
    _scale(canvas, (left, top + sizes.of(64)), room, (best.distance, calibration.threshold), color, sizes)


def _percent(probability: float) -> str:
    """Formats a probability as a percentage, but never as 0 or 100: no comparison is that certain."""
    return f"{np.clip(100 * probability, 0.01, 99.99):.2f} %"


def _closeup(image: Image, face: Face, side: int) -> Image:
    """Returns a square crop of the face with a margin, `side` pixels wide."""
    box = face.box
    reach = max(1, min(*image.shape[:2], round(1.5 * max(box.width, box.height))))
    left = int(np.clip(box.left + box.width / 2 - reach / 2, 0, image.shape[1] - reach))
    top = int(np.clip(box.top + box.height / 2 - reach / 2, 0, image.shape[0] - reach))
    part = image[top : top + reach, left : left + reach]
    method = cv2.INTER_AREA if reach > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, (side, side), interpolation=method), np.uint8)


def _scale(
    canvas: Image,
    corner: tuple[int, int],
    width: int,
    values: tuple[float, float],
    color: Color,
    sizes: Sizes,
) -> None:
    """Draws a scale of distances from 0 to 2, with a pointer at the distance of this comparison.

    Distances up to the threshold have the color of the same person, the others that of different people. `values` are
    the distance and the threshold.
    """
    left, top = corner
    distance, threshold = values
    small, bar = sizes.of(15), sizes.of(10)

    def across(value: float) -> int:
        return left + round(width * min(2.0, max(0.0, value)) / 2)

    plate(canvas, left, top, width, bar, DIFFERENT)
    plate(canvas, left, top, max(bar, across(threshold) - left), bar, SAME)
    cv2.rectangle(canvas, (across(threshold) - 1, top - sizes.of(5)), (across(threshold) + 1, top + bar + 5), INK, -1)
    x, y = across(distance), top + bar / 2
    for fill, radius in ((GROUND, 11), (INK, 9), (color, 5)):
        cv2.circle(canvas, at(x, y), sizes.of(radius) << SUBPIXELS, fill, cv2.FILLED, cv2.LINE_AA, SUBPIXELS)
    texts = [
        (f"distance {distance:.3f}", x, top - sizes.of(26), INK),
        (f"threshold {threshold:g}", across(threshold), top + bar + sizes.of(8), SOFT),
    ]
    for text, middle, y_, ink in texts:
        text_end = text_width(text, small)
        draw_text(
            canvas, text, int(np.clip(middle - text_end / 2, left, max(left, left + width - text_end))), y_, small, ink
        )


# --- text ------------------------------------------------------------------------------------------------------------
