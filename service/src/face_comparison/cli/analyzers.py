"""Loads the models that a command's options select."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import click

from face_comparison import cpus
from face_comparison.cli import options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from face_comparison.album.face_sources import FaceSource, LocalFaceSource
    from face_comparison.settings import Settings
    from face_comparison.vision.analyzer import Analyzer
    from face_comparison.vision.bundle import Bundle, Manifest

MODEL_OPTIONS = ("bundle", "device", "engine", "precision", "threads", "max_side")
ONLY_LOCAL = tuple(name for name in MODEL_OPTIONS if name != "threads")
"""Options about the models on this machine, which have no effect on a service."""
WITH_SERVICE = "with --service: the service's own setting applies"


def load_analyzer(option_values: dict[str, str | None]) -> tuple[Analyzer, int]:
    """Returns the analyzer that the options select, and the number of images to analyze concurrently."""
    _, load, threads = prepare_analyzer(option_values)
    return load(), threads


def prepare_analyzer(option_values: dict[str, str | None]) -> tuple[Manifest, Callable[[], Analyzer], int]:
    """Returns the selected bundle's manifest, a function that loads it, and the number of concurrent images."""
    from face_comparison.models import loader  # noqa: PLC0415 (it takes a second, which would slow down `--help`)

    settings = options.settings(option_values)
    threads = settings.threads or cpus.available_cpus()
    bundle = open_bundle(settings)
    return bundle.manifest, partial(loader.load_analyzer, bundle, settings, threads, every_bucket=False), threads


def face_source(service: str | None, api_key: str | None, option_values: dict[str, str | None]) -> FaceSource:
    """Returns the source of faces: a service if its URL is given, or else the models that the options select."""
    from face_comparison.album import face_sources  # noqa: PLC0415

    if service is not None:
        options.reject_unused(ONLY_LOCAL, WITH_SERVICE)
        return face_sources.RemoteFaceSource(service, api_key, options.settings(option_values).threads)
    return local_face_source(option_values)


def local_face_source(option_values: dict[str, str | None]) -> LocalFaceSource:
    """Returns a source of faces that uses the models that the options select; they are loaded when needed."""
    from face_comparison.album import face_sources  # noqa: PLC0415

    manifest, load, threads = prepare_analyzer(option_values)
    return face_sources.LocalFaceSource(
        manifest.version, manifest.comparison.threshold, manifest.detector.sure_confidence, load, threads
    )


def open_bundle(settings: Settings) -> Bundle:
    """Returns the selected bundle, which is fetched first if it is not on this machine yet.

    Raises:
        InvalidBundle: The bundle is missing, or a file of it is missing or damaged.
        InvalidSettings: There is no such bundle.
        ModelDownloadFailed: The bundle could not be fetched.
    """
    from face_comparison.cli import downloads  # noqa: PLC0415
    from face_comparison.models import bundle_store, loader  # noqa: PLC0415

    folder = options.bundles_folder()
    if bundle_store.is_fetchable(settings.bundle, folder):
        click.echo(f"fetching the model, once: it is kept in {folder}", err=True)
        with downloads.bars() as progress:
            bundle_store.ensure_bundle(settings.bundle, folder, progress)
    return loader.open_configured_bundle(settings, folder)


def decode_image(data: bytes) -> NDArray[np.uint8]:
    """Decodes an image into the upright image, (height, width, 3) uint8 RGB.

    Raises:
        UnsupportedFormat: The data is not in a supported image format.
        CorruptImage: The image is damaged.
        ImageTooLarge: A side of the image is too long.
    """
    from face_comparison import image  # noqa: PLC0415

    return image.decode(data, image.read_header(data, image.LARGEST_MAX_SIDE))
