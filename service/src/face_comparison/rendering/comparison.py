"""Draws a comparison for people to look at: one row per target with both images side by side and the result.

At the top of a row, a line joins the two faces that determined the verdict. Below it are close-ups of both faces (which
are small in a group photograph), the verdict in words, and the distance on a scale with the threshold marked. Verdicts
have colors that color-blind people can distinguish; the line (solid or dashed), a symbol and a word show them, too.
No I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from face_comparison.rendering.strokes import SUBPIXELS, Color, Image, at, plate
from face_comparison.rendering.style import CARD, DIFFERENT, GROUND, INK, OTHER, SAME, Sizes
from face_comparison.rendering.text import draw_text, shorten, text_width
from face_comparison.rendering.verdict import draw_frame, draw_verdict
from face_comparison.vision.matching import Calibration, TargetMatch
from face_comparison.vision.types import Box, Face

MOST_PIXELS = 24_000
"""Maximum height of the drawing; with many targets, the rows become lower."""

_HEIGHTS = (240, 640)
_NARROWEST, _WIDEST = 0.75, 1.5
"""Minimum and maximum width of an image's panel, as multiples of its height; the image is scaled to fit into it."""


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """One target of a comparison.

    Attributes:
        name: Name to show.
        image: Upright image, (H, W, 3) uint8 RGB; None if it cannot be shown.
        found: The result, or why there is none.
    """

    name: str
    image: Image | None
    found: TargetMatch | str


@dataclass(frozen=True, slots=True)
class _Place:
    """Position of an image on the canvas, in pixels, and its scale factor."""

    left: float
    top: float
    times: float

    def box(self, box: Box) -> Box:
        return Box(
            self.left + self.times * box.left,
            self.top + self.times * box.top,
            self.times * box.width,
            self.times * box.height,
        )


def draw_comparison(
    name: str, image: Image, face: Face, targets: Sequence[Compared], calibration: Calibration
) -> Image:
    """Draws the source next to each target, one target per row.

    Args:
        name: Name of the source.
        image: Upright image of the source, (H, W, 3) uint8 RGB.
        face: The face of the source, with coordinates in pixels.
        targets: At least one target.
        calibration: Contains the threshold to mark.

    Returns:
        The drawing, uint8 RGB.
    """
    height = int(np.clip(MOST_PIXELS / len(targets) - 200, *_HEIGHTS))
    unit = max(0.62, height / _HEIGHTS[1])  # smaller text would be illegible
    first = _panel_width([image], height)
    second = _panel_width([each.image for each in targets if each.image is not None], height)
    sizes = Sizes(height, first, second, unit)
    return np.vstack([_row(Compared(name, image, ""), face, each, calibration, sizes) for each in targets])


def _panel_width(images: Sequence[Image], height: int) -> int:
    natural = [image.shape[1] / image.shape[0] for image in images] or [1.0]
    return round(height * float(np.clip(max(natural), _NARROWEST, _WIDEST)))


def _row(source: Compared, face: Face, target: Compared, calibration: Calibration, sizes: Sizes) -> Image:
    edge, below = sizes.of(16), sizes.of(128)
    width = 3 * edge + sizes.source + sizes.target
    canvas = np.full((sizes.height + below + 3 * edge, width, 3), GROUND, np.uint8)
    assert source.image is not None  # noqa: S101 (it was compared)
    first = _draw_image(canvas, source.image, edge, edge, sizes.source, sizes.height)
    beside, second = 2 * edge + sizes.source, None
    if target.image is not None:
        second = _draw_image(canvas, target.image, beside, edge, sizes.target, sizes.height)
    else:
        plate(canvas, beside, edge, sizes.target, sizes.height, CARD)
    plate(canvas, edge, sizes.height + 2 * edge, width - 2 * edge, below, CARD)
    found = target.found
    if isinstance(found, str):
        draw_frame(canvas, first.box(face.box), OTHER, sizes.of(2))
    else:
        _faces(canvas, (first, face), second, found, sizes)
    _name(canvas, source.name, first.left, sizes.source, sizes)
    _name(canvas, target.name, second.left if second else beside, sizes.target, sizes)
    draw_verdict(canvas, (source.image, face), target, calibration, sizes)
    return canvas


# --- the images -----------------------------------------------------------------------------------------------------


def _draw_image(canvas: Image, image: Image, left: int, top: int, width: int, height: int) -> _Place:
    """Draws an image centered in its panel, as large as the panel allows."""
    times = min(width / image.shape[1], height / image.shape[0])
    size = max(1, round(image.shape[1] * times)), max(1, round(image.shape[0] * times))
    fitted = cv2.resize(image, size, interpolation=cv2.INTER_AREA if times < 1 else cv2.INTER_CUBIC)
    left, top = left + (width - size[0]) // 2, top + (height - size[1]) // 2
    canvas[top : top + size[1], left : left + size[0]] = fitted
    return _Place(left, top, times)


def _faces(canvas: Image, source: tuple[_Place, Face], second: _Place | None, found: TargetMatch, sizes: Sizes) -> None:
    """Draws frames, and a line between the two faces that determined the verdict."""
    best = found.faces[0]
    color = SAME if best.same_person else DIFFERENT
    place, face = source
    one = place.box(face.box)
    if second is not None:
        for match in reversed(found.faces[1:]):
            if match.face is not None:
                alike = SAME if match.same_person else OTHER
                box = second.box(match.face.box)
                draw_frame(canvas, box, alike, sizes.of(2))
        if best.face is not None:
            other = second.box(best.face.box)
            _draw_line(canvas, one, other, color, best.same_person, sizes)
            draw_frame(canvas, other, color, sizes.of(4))
        for match in found.faces[1:]:  # labels last, so that no line crosses them
            if match.face is not None:
                _label(canvas, second.box(match.face.box), f"{match.distance:.2f}", sizes)
    draw_frame(canvas, one, color, sizes.of(4))


def _draw_line(canvas: Image, one: Box, other: Box, color: Color, same: bool, sizes: Sizes) -> None:
    """Draws a line from frame to frame, dashed for different people, with a symbol at its midpoint."""
    start, end = _edge_point(one, _center(other)), _edge_point(other, _center(one))
    length = float(np.hypot(*(end - start)))
    count = 1 if same else max(3, round(length / sizes.of(16)) // 2 * 2 + 1)
    points = [start + (end - start) * part / count for part in range(count + 1)]
    for stroke, width in ((GROUND, sizes.of(4) + 3), (color, sizes.of(4))):
        for a, b in list(pairwise(points))[::2]:
            cv2.line(canvas, at(*a), at(*b), stroke, width, cv2.LINE_AA, SUBPIXELS)
    x, y = ((start + end) / 2).tolist()
    radius, arm, gap = sizes.of(19), sizes.of(8), sizes.of(4)
    for fill, more in ((GROUND, sizes.of(3)), (color, 0)):
        cv2.circle(canvas, at(x, y), (radius + more) << SUBPIXELS, fill, cv2.FILLED, cv2.LINE_AA, SUBPIXELS)
    strokes = [((x - arm, y + dy), (x + arm, y + dy)) for dy in (-gap, gap)]
    strokes += [] if same else [((x - arm * 0.7, y + arm * 1.1), (x + arm * 0.7, y - arm * 1.1))]
    for a, b in strokes:
        cv2.line(canvas, at(*a), at(*b), GROUND, sizes.of(3), cv2.LINE_AA, SUBPIXELS)


def _center(box: Box) -> np.ndarray:
    return np.array([box.left + box.width / 2, box.top + box.height / 2])


def _edge_point(box: Box, target_point: np.ndarray) -> np.ndarray:
    """Returns the point where the line from the center of a box to another point crosses the box's edge."""
    middle = _center(box)
    direction = target_point - middle
    half = np.array([box.width, box.height]) / 2
    share = min((h / abs(w) for h, w in zip(half, direction, strict=True) if w), default=0.0)
    return np.asarray(middle + direction * min(1.0, share))


def _label(canvas: Image, box: Box, text: str, sizes: Sizes) -> None:
    size = sizes.of(17)
    width = text_width(text, size)
    left = int(np.clip(box.left, 0, max(0, canvas.shape[1] - width - 8)))
    top = max(0, round(box.top) - size - 12)
    plate(canvas, left, top, width + 8, size + 8, OTHER)
    draw_text(canvas, text, left + 4, top + 4, size, GROUND)


def _name(canvas: Image, name: str, left: float, width: int, sizes: Sizes) -> None:
    """Draws a name in the corner of an image; `width` is that of the image's panel."""
    edge, size = sizes.of(16), sizes.of(17)
    start = round(left) + edge // 2
    shortened = shorten(name, size, width - 3 * edge)
    text_end = min(text_width(shortened, size) + edge, canvas.shape[1] - start)
    plate(canvas, start, edge + edge // 2, text_end, size + edge, GROUND)
    draw_text(canvas, shortened, start + edge // 2, 2 * edge, size, INK)


# --- the texts below --------------------------------------------------------------------------------------------------
