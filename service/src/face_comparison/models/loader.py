"""Opens the configured bundle and loads its networks, for worker processes and the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2

from face_comparison.errors import InvalidBundle
from face_comparison.models import bundle_store
from face_comparison.settings import Settings
from face_comparison.vision import bundle
from face_comparison.vision.analyzer import ImageAnalyzer, build_analyzer
from face_comparison.vision.bundle import Bundle


def open_configured_bundle(settings: Settings, bundles: Path) -> Bundle:
    """Returns the verified bundle that the settings select. Downloads nothing, so startup needs no network.

    Args:
        settings: The settings.
        bundles: Folder in which bundles are stored.

    Raises:
        InvalidBundle: The bundle or one of its files is wrong.
        InvalidSettings: There is no such bundle.
    """
    folder = bundle_store.bundle_path(settings.bundle, bundles)
    if not folder.is_dir():
        fetch = "face-comparison models fetch"
        if settings.bundle in bundle_store.known_manifests():
            fetch += f" {settings.bundle}"
        raise InvalidBundle(f"there is no bundle in {folder}: `{fetch}` fetches one, and --bundle selects another")
    return bundle.open_bundle(folder)


def load_analyzer(
    bundle: Bundle,
    settings: Settings,
    threads: int,
    on_batch: Callable[[str, int], None] = lambda network, size: None,
    every_bucket: bool = True,
    max_copies: int | None = None,
) -> ImageAnalyzer:
    """Loads the bundle's networks with the configured device, engine, and precision.

    Args:
        bundle: The bundle.
        settings: The settings.
        threads: Images analyzed concurrently.
        on_batch: See `build_analyzer`.
        every_bucket: See `build_analyzer`. If set, as in a service, the networks are also tried on the built-in sample.
        max_copies: See `build_analyzer`.

    Raises:
        InvalidBundle: A file is not a network.
        AcceleratorUnavailable: The device cannot run the networks.
    """
    # Images at once keep the cores busy, not the parts of one: threads of OpenCV's own took 4 % more processor time.
    cv2.setNumThreads(1)
    analyzer = build_analyzer(
        bundle,
        device=settings.device,
        engine=settings.engine,
        precision=settings.precision,
        threads=threads,
        max_side=settings.max_side,
        on_batch=on_batch,
        every_bucket=every_bucket,
        max_copies=max_copies,
    )
    if every_bucket:
        analyzer.warm_up()
    return analyzer
