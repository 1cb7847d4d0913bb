"""WebP, written by Pillow."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image

from devtools.photos.kinds.scenes import HEIGHT, WIDTH, Sample, on_white, scene


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    """Returns an image as Pillow writes it."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def samples() -> Iterator[tuple[str, Sample]]:
    """Yields each kind of WebP, named."""
    truth = scene()
    image = Image.fromarray(truth)
    yield "webp lossless", Sample(encode(image, "WEBP", lossless=True), truth)
    cover = np.linspace(0, 255, WIDTH * HEIGHT).round().astype(np.uint8).reshape(HEIGHT, WIDTH, 1)
    clear = Image.fromarray(np.concatenate([truth, cover], axis=2))
    data = encode(clear, "WEBP", lossless=True, exact=True)
    yield "webp lossless with alpha", Sample(data, on_white(truth, cover), 2)
    frames = [image, Image.new("RGB", image.size, "red")]
    data = encode(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    yield "webp animated", Sample(data, truth)
    for name, options in {"lossy": {"quality": 80}, "lossy with alpha": {"quality": 95}}.items():
        data = encode(clear if "alpha" in name else image, "WEBP", **options)
        with Image.open(io.BytesIO(data)) as shown:
            pixels = np.asarray(shown.convert("RGBA"))
        # Libraries smooth chroma in different ways.
        yield f"webp {name}", Sample(data, on_white(pixels[:, :, :3], pixels[:, :, 3:]), 12)
