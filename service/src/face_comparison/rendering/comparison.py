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
from face_comparison.vision.matching import Calibration, TargetMatch
from face_comparison.vision.types import Box, Face

SAME: Color = (86, 180, 233)
DIFFERENT: Color = (230, 159, 0)
OTHER: Color = (215, 219, 224)
GROUND: Color = (24, 27, 31)
CARD: Color = (40, 45, 51)
INK: Color = (240, 242, 245)
SOFT: Color = (165, 173, 182)

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
    sizes = _Sizes(height, first, second, unit)
    return np.vstack([_row(Compared(name, image, ""), face, each, calibration, sizes) for each in targets])


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Sizes in pixels.

    Attributes:
        height: Height of the images.
        source: Width of the source's panel.
        target: Width of the targets' panels.
        unit: Scale factor of everything else.
    """

    height: int
    source: int
    target: int
    unit: float

    def of(self, pixels: float) -> int:
        return max(1, round(pixels * self.unit))


def _panel_width(images: Sequence[Image], height: int) -> int:
    natural = [image.shape[1] / image.shape[0] for image in images] or [1.0]
    return round(height * float(np.clip(max(natural), _NARROWEST, _WIDEST)))


def _row(source: Compared, face: Face, target: Compared, calibration: Calibration, sizes: _Sizes) -> Image:
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
        _frame(canvas, first.box(face.box), OTHER, sizes.of(2))
    else:
        _faces(canvas, (first, face), second, found, sizes)
    _name(canvas, source.name, first.left, sizes.source, sizes)
    _name(canvas, target.name, second.left if second else beside, sizes.target, sizes)
    _draw_verdict(canvas, (source.image, face), target, calibration, sizes)
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


def _faces(
    canvas: Image, source: tuple[_Place, Face], second: _Place | None, found: TargetMatch, sizes: _Sizes
) -> None:
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
                _frame(canvas, box, alike, sizes.of(2))
        if best.face is not None:
            other = second.box(best.face.box)
            _draw_line(canvas, one, other, color, best.same_person, sizes)
            _frame(canvas, other, color, sizes.of(4))
        for match in found.faces[1:]:  # labels last, so that no line crosses them
            if match.face is not None:
                _label(canvas, second.box(match.face.box), f"{match.distance:.2f}", sizes)
    _frame(canvas, one, color, sizes.of(4))


def _frame(canvas: Image, box: Box, color: Color, line: int) -> None:
    corners = at(box.left, box.top), at(box.left + box.width, box.top + box.height)
    for stroke, width in ((GROUND, line + 2), (color, line)):
        cv2.rectangle(canvas, *corners, stroke, width, cv2.LINE_AA, SUBPIXELS)


def _draw_line(canvas: Image, one: Box, other: Box, color: Color, same: bool, sizes: _Sizes) -> None:
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


def _label(canvas: Image, box: Box, text: str, sizes: _Sizes) -> None:
    size = sizes.of(17)
    width = _text_width(text, size)
    left = int(np.clip(box.left, 0, max(0, canvas.shape[1] - width - 8)))
    top = max(0, round(box.top) - size - 12)
    plate(canvas, left, top, width + 8, size + 8, OTHER)
    _text(canvas, text, left + 4, top + 4, size, GROUND)


def _name(canvas: Image, name: str, left: float, width: int, sizes: _Sizes) -> None:
    """Draws a name in the corner of an image; `width` is that of the image's panel."""
    edge, size = sizes.of(16), sizes.of(17)
    start = round(left) + edge // 2
    shortened = _shorten(name, size, width - 3 * edge)
    text_end = min(_text_width(shortened, size) + edge, canvas.shape[1] - start)
    plate(canvas, start, edge + edge // 2, text_end, size + edge, GROUND)
    _text(canvas, shortened, start + edge // 2, 2 * edge, size, INK)


# --- the texts below --------------------------------------------------------------------------------------------------


def _draw_verdict(
    canvas: Image, source: tuple[Image, Face], target: Compared, calibration: Calibration, sizes: _Sizes
) -> None:
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
        _frame(canvas, Box(left, top, side - 1, side - 1), color, sizes.of(3))
        left += side + edge // 2
    left += edge
    room = canvas.shape[1] - left - 2 * edge
    big, small = sizes.of(30), sizes.of(18)
    if isinstance(found, str):
        _text(canvas, _shorten("No verdict", big, room), left, top + sizes.of(8), big, INK)
        _text(canvas, _shorten(found, small, room), left, top + sizes.of(56), small, SOFT)
        return
    best = found.faces[0]
    verdict = "Same person" if best.same_person else "Different people"
    color = SAME if best.same_person else DIFFERENT
    _text(canvas, _shorten(verdict, big, room), left, top, big, color)
    beside = left + _text_width(verdict, big) + edge
    sure = f"probability of one person {_percent(best.confidence)}"
    if beside + _text_width(sure, small) <= left + room:
        _text(canvas, sure, beside, top + sizes.of(9), small, SOFT)
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
    sizes: _Sizes,
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
        text_end = _text_width(text, small)
        _text(
            canvas, text, int(np.clip(middle - text_end / 2, left, max(left, left + width - text_end))), y_, small, ink
        )


# --- text ------------------------------------------------------------------------------------------------------------


def _font(text: str) -> cv2.FontFace:
    return cv2.FontFace("sans" if text.isascii() else "uni")  # "uni" has Chinese, Japanese and Korean, too


def _text(canvas: Image, text: str, left: int, top: int, size: int, ink: Color) -> None:
    _, above, _, _ = cv2.getTextSize((0, 0), "Ag", (0, 0), _font(text), size, 600)
    cv2.putText(canvas, text, (left, top - above), ink, _font(text), size, 600)


def _text_width(text: str, size: int) -> int:
    return int(cv2.getTextSize((0, 0), text, (0, 0), _font(text), size, 600)[2])


def _shorten(text: str, size: int, width: int) -> str:
    """Shortens a text in the middle until it fits: names differ at their start or end."""
    # OpenCV crashes on invalid Unicode, which file names may contain.
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    shortened, keep = text, len(text)
    while keep > 1 and _text_width(shortened, size) > width:
        keep -= 1
        shortened = f"{text[: -(-keep // 2)]}...{text[len(text) - keep // 2 :]}"
    return shortened
