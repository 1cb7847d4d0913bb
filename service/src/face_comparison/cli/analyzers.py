"""Loads the models that a command's options select."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from face_comparison import cpus
from face_comparison.cli import options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from face_comparison.vision.analyzer import Analyzer
    from face_comparison.vision.bundle import Manifest

MODEL_OPTIONS = ("bundle", "device", "engine", "threads", "max_side")


def loaded(given: dict[str, str | None]) -> tuple[Analyzer, int]:
    """Returns the analyzer that the options select, and its number of concurrent images."""
    _, load, threads = loadable(given)
    return load(), threads


def loadable(given: dict[str, str | None]) -> tuple[Manifest, Callable[[], Analyzer], int]:
    """Returns the selected bundle's manifest, a function that loads it, and its number of concurrent images."""
    from face_comparison.models import loader  # noqa: PLC0415 (it takes a second, which `--help` would pay)

    settings = options.settings(given)
    threads = settings.threads or cpus.available()
    bundle = loader.opened(settings, options.bundles_folder())
    return bundle.manifest, partial(loader.load_analyzer, bundle, settings, threads, every_bucket=False), threads


def decoded(data: bytes) -> NDArray[np.uint8]:
    """Returns the upright image, (height, width, 3) uint8 RGB.

    Raises UnsupportedFormat, CorruptImage, ImageTooLarge.
    """
    from face_comparison import image  # noqa: PLC0415

    return image.decode(data, image.read_header(data, image.LARGEST_MAX_SIDE))
