"""What `detect` and `compare` share: the models, and image files that fail one by one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from face_comparison import cpus
from face_comparison.cli import options
from face_comparison.errors import FaceComparisonError, MissingImage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from face_comparison.vision.analyzer import Analyzer
    from face_comparison.vision.bundle import Manifest
    from face_comparison.vision.types import Analysis

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


def read(path: Path) -> bytes:
    """Reads a file. Raises MissingImage."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise MissingImage(f"the file cannot be read: {error.strerror}") from error


def pixels(path: Path) -> NDArray[np.uint8]:
    """Returns the upright image, (height, width, 3) uint8 RGB.

    Raises MissingImage, UnsupportedFormat, CorruptImage, ImageTooLarge.
    """
    from face_comparison import image  # noqa: PLC0415

    data = read(path)
    return image.decode(data, image.read_header(data, image.LARGEST_MAX_SIDE))


def shown(path: Path) -> str:
    """A file's name as text, also where it is not UTF-8: such bytes become question marks."""
    return os.fsencode(path).decode("utf-8", "replace")


def analyses(
    analyzer: Analyzer, paths: Iterable[Path], threads: int
) -> Iterator[tuple[Path, Analysis | FaceComparisonError]]:
    """Yields the faces of each image, or what is wrong with it, in the order given."""
    with ThreadPoolExecutor(threads) as pool:
        paths = list(paths)
        yield from zip(paths, pool.map(partial(_analysis, analyzer), paths), strict=True)


def _analysis(analyzer: Analyzer, path: Path) -> Analysis | FaceComparisonError:
    try:
        return analyzer.analyze(read(path))
    except FaceComparisonError as error:
        return error
