"""Text in drawings."""

from __future__ import annotations

import cv2

from face_comparison.rendering.strokes import Color, Image


def font_of(text: str) -> cv2.FontFace:
    """Returns the font for a text."""
    return cv2.FontFace("sans" if text.isascii() else "uni")  # "uni" has Chinese, Japanese and Korean, too


def draw_text(canvas: Image, text: str, left: int, top: int, size: int, ink: Color) -> None:
    """Draws a text whose top left corner is at these pixels."""
    _, above, _, _ = cv2.getTextSize((0, 0), "Ag", (0, 0), font_of(text), size, 600)
    cv2.putText(canvas, text, (left, top - above), ink, font_of(text), size, 600)


def text_width(text: str, size: int) -> int:
    """Returns the width of a text in pixels."""
    return int(cv2.getTextSize((0, 0), text, (0, 0), font_of(text), size, 600)[2])


def shorten(text: str, size: int, width: int) -> str:
    """Shortens a text in the middle until it fits: names differ at their start or end."""
    # OpenCV crashes on invalid Unicode, which file names may contain.
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    shortened, keep = text, len(text)
    while keep > 1 and text_width(shortened, size) > width:
        keep -= 1
        shortened = f"{text[: -(-keep // 2)]}...{text[len(text) - keep // 2 :]}"
    return shortened
