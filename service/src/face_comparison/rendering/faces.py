"""Draws the detected faces of an image for people to look at: frames, landmarks, and the detector's confidence.

Sizes scale with the image and the faces, so that a passport photograph and a group of forty look equally good. No I/O.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from face_comparison.rendering.strokes import COLORS, SHADE, SUBPIXELS, WHITE, Color, Image, at, plate
from face_comparison.vision.types import Box, Face

SMALLEST = 640
"""Images whose longer side has fewer pixels are enlarged: frames and text would be illegible on them."""


def draw_faces(image: Image, faces: Sequence[Face]) -> Image:
    """Draws a frame and a label for every face on a copy of the image.

    Args:
        image: Upright image, (H, W, 3) uint8 RGB.
        faces: The faces, with coordinates in pixels; labels number them from 1.

    Returns:
        The drawing, uint8 RGB; an image smaller than SMALLEST is enlarged by an integer factor.
    """
    canvas, faces = _enlarge(image, faces)
    # Small faces first, so that a face in the background does not cross the frame of one in the foreground.
    for number, face in sorted(enumerate(faces, 1), key=lambda item: item[1].box.area):
        color = COLORS[(number - 1) % len(COLORS)]
        line = _line_width(canvas, face)
        _frame(canvas, face, color, line)
        _landmarks(canvas, face, color, line)
    for number, face in enumerate(faces, 1):  # labels last, so that nothing covers them
        _label(canvas, face, f"{number}  {100 * face.confidence:.0f} %", COLORS[(number - 1) % len(COLORS)])
    return canvas


def _enlarge(image: Image, faces: Sequence[Face]) -> tuple[Image, Sequence[Face]]:
    times = math.ceil(SMALLEST / max(image.shape[:2]))
    if times <= 1:
        return np.ascontiguousarray(image).copy(), faces
    size = (image.shape[1] * times, image.shape[0] * times)
    larger = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)

    def scaled(face: Face) -> Face:
        box = Box(*(times * value for value in (face.box.left, face.box.top, face.box.width, face.box.height)))
        return replace(face, box=box, landmarks=face.landmarks * times)

    return larger, [scaled(face) for face in faces]


def _line_width(canvas: Image, face: Face) -> int:
    by_image = max(canvas.shape[:2]) / 400
    by_face = min(face.box.width, face.box.height) / 20
    return max(1, round(float(min(by_image, by_face))))


def _frame(canvas: Image, face: Face, color: Color, line: int) -> None:
    """Draws four corners and a faint line between them, which mark the face without covering it."""
    left, top = face.box.left, face.box.top
    right, bottom = left + face.box.width, top + face.box.height
    overlay = canvas.copy()
    cv2.rectangle(overlay, at(left, top), at(right, bottom), WHITE, max(1, line // 2), cv2.LINE_AA, SUBPIXELS)
    cv2.addWeighted(overlay, 0.45, canvas, 0.55, 0, canvas)
    arm = 0.22 * min(face.box.width, face.box.height)
    corners = [
        [(x, y + dy * arm), (x, y), (x + dx * arm, y)]
        for x, dx in ((left, 1), (right, -1))
        for y, dy in ((top, 1), (bottom, -1))
    ]
    strokes = [np.array([at(*point) for point in corner], np.int32) for corner in corners]
    # A dark outline keeps the stroke visible on any background.
    cv2.polylines(canvas, strokes, False, SHADE, line + 2, cv2.LINE_AA, SUBPIXELS)
    cv2.polylines(canvas, strokes, False, color, line, cv2.LINE_AA, SUBPIXELS)


def _landmarks(canvas: Image, face: Face, color: Color, line: int) -> None:
    radius = max(1.0, 0.9 * line)
    for x, y in face.landmarks.tolist():
        for size, fill in ((radius + max(1.0, line / 2), WHITE), (radius, color)):
            cv2.circle(canvas, at(x, y), round(size * 2**SUBPIXELS), fill, cv2.FILLED, cv2.LINE_AA, SUBPIXELS)


def _label(canvas: Image, face: Face, text: str, color: Color) -> None:
    """Draws a label above the frame, or inside it if there is no space above."""
    height, width = canvas.shape[:2]
    size = round(min(max(width, height) / 38, max(11.0, face.box.width / 5)))
    font = cv2.FontFace("sans")
    _, above, text_width, text_height = cv2.getTextSize((0, 0), text, (0, 0), font, size, 600)
    pad = max(2, size // 3)
    plate_width, plate_height = text_width + 2 * pad, text_height + 2 * pad
    gap = max(2, size // 4)
    left = int(np.clip(face.box.left, 0, max(0, width - plate_width)))
    top = round(face.box.top) - plate_height - gap
    if top < 0:
        top = int(np.clip(round(face.box.top) + gap, 0, max(0, height - plate_height)))
    plate(canvas, left, top, plate_width, plate_height, color)
    ink = SHADE if sum(color) > 400 else WHITE
    cv2.putText(canvas, text, (left + pad, top + pad - above), ink, font, size, 600)
