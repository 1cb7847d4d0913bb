"""Frames of the fake camera, made from photographs: people near and far, in bad light, and photos held up to it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

WIDTH, HEIGHT = 960, 720
FRAMES = 30
"""Number of frames of a film, which the camera repeats, unless `repeats` says how long each one lasts."""

Frame = Image.Image


def film(frames: Sequence[Frame], path: Path, *, repeats: int | None = None) -> Path:
    """Writes frames as a film (motion JPEG); each is repeated, so that together they fill it."""
    times = FRAMES // len(frames) if repeats is None else repeats
    with path.open("wb") as file:
        for frame in frames:
            data = io.BytesIO()
            frame.save(data, "JPEG", quality=95)
            file.write(data.getvalue() * times)
    return path


def placed(path: Path, scale: float = 1.0) -> Frame:
    """A photograph on a gray frame of the camera's size; a larger one begins at the top."""
    frame = Image.new("RGB", (WIDTH, HEIGHT), "gray")
    with Image.open(path) as photograph:
        shown = photograph.convert("RGB")
        factor = scale * min(WIDTH / shown.width, HEIGHT / shown.height)
        shown = shown.resize((round(shown.width * factor), round(shown.height * factor)))
    frame.paste(shown, ((WIDTH - shown.width) // 2, max(0, (HEIGHT - shown.height) // 2)))
    return frame


def lit(frame: Frame, brightness: float) -> Frame:
    """The frame in other light: below 1 darker, above 1 overexposed."""
    return ImageEnhance.Brightness(frame).enhance(brightness)


def narrowed(frame: Frame, width: float) -> Frame:
    """The frame as a flat photo that is turned about its vertical axis: compressed to a fraction of its width."""
    shown = frame.resize((round(WIDTH * width), HEIGHT))
    turned = Image.new("RGB", (WIDTH, HEIGHT), "gray")
    turned.paste(shown, ((WIDTH - shown.width) // 2, 0))
    return turned


def bent(frame: Frame, right_eye: float, nose: float, left_eye: float, amount: float) -> Frame:
    """The frame with the nose moved toward an eye, as on a photo that is bent; the eyes stay in place.

    Args:
        frame: The frame.
        right_eye: Horizontal positions in pixels.
        nose: See `right_eye`.
        left_eye: See `right_eye`.
        amount: Shift of the nose in halves of the eyes' distance; positive to the person's left.
    """
    shifted = nose + amount * (left_eye - right_eye) / 2
    columns = np.interp(
        np.arange(WIDTH), [0, right_eye, shifted, left_eye, WIDTH], [0, right_eye, nose, left_eye, WIDTH]
    )
    return Image.fromarray(np.asarray(frame)[:, np.minimum(np.round(columns).astype(int), WIDTH - 1)])


def beside(person: Path, other: Path, *, share: float = 0.5) -> Frame:
    """Two photographs side by side; `share`: height of the second one as a fraction of the frame's."""
    frame = Image.new("RGB", (WIDTH, HEIGHT), "gray")
    for path, left, height in ((person, 0, HEIGHT), (other, WIDTH // 2 + 60, round(HEIGHT * share))):
        with Image.open(path) as photograph:
            shown = photograph.convert("RGB")
            # The heads of portraits are at the top; a taller photograph is cut at the bottom.
            shown = shown.crop((0, 0, shown.width, min(shown.height, round(shown.width * 1.25))))
            frame.paste(shown.resize((round(height / 1.25 * 0.9), height)), (left, (HEIGHT - height) // 2))
    return frame


TURNED = (120, 56, 524, 359)
"""Where a head that is turned by about 35 degrees is on the photograph `table.jpg`."""


def turning_head(table: Path) -> dict[str, Frame]:
    """Frames of one person: `left` and `right` (the head is turned to the person's own left or right), and `front`.

    They come from one photograph: it and its mirror image are the two turns. Bending it so that the nose comes near the
    middle makes a face that counts as facing the camera, and is still recognized.
    """
    with Image.open(table) as photograph:
        crop = photograph.convert("RGB").crop(TURNED).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    right = crop.filter(ImageFilter.UnsharpMask(4, 150, 0))
    left = right.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    front = bent(left, 480.6, 514.4, 563.3, -1.1).rotate(30, resample=Image.Resampling.BICUBIC, fillcolor="gray")
    return {"left": left, "right": right, "front": front}
