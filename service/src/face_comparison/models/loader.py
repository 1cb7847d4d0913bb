"""From the name of a bundle to an analyzer: what a worker process and the command line both do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from face_comparison.errors import InvalidBundle
from face_comparison.models import bundle_store
from face_comparison.settings import Settings
from face_comparison.vision import bundle
from face_comparison.vision.analyzer import ImageAnalyzer, build_analyzer
from face_comparison.vision.bundle import Bundle


def open_configured_bundle(settings: Settings, bundles: Path) -> Bundle:
    """Returns the bundle of the settings, verified. bundles: folder in which bundles are kept.

    Raises InvalidBundle, InvalidSettings. Fetches nothing: a start depends on no network.
    """
    folder = bundle_store.bundle_path(settings.bundle, bundles)
    if not folder.is_dir():
        fetch = "face-comparison models fetch"
        if settings.bundle in bundle_store.known_manifests():
            fetch += f" {settings.bundle}"
        raise InvalidBundle(f"there is no bundle in {folder}: `{fetch}` brings one, and --bundle names another")
    return bundle.open_bundle(folder)


def load_analyzer(
    bundle: Bundle,
    settings: Settings,
    threads: int,
    on_batch: Callable[[str, int], None] = lambda network, size: None,
    every_bucket: bool = True,
) -> ImageAnalyzer:
    """Returns the bundle's networks on the device and engine of the settings, in their precision.

    threads: images analyzed at once. on_batch, every_bucket: see `build_analyzer`; with every bucket, as in a
    service, the networks have also been tried on the built-in sample. A command's own first image is its trial.
    Raises InvalidBundle, AcceleratorUnavailable.
    """
    analyzer = build_analyzer(
        bundle,
        device=settings.device,
        engine=settings.engine,
        precision=settings.precision,
        threads=threads,
        max_side=settings.max_side,
        on_batch=on_batch,
        every_bucket=every_bucket,
    )
    if every_bucket:
        analyzer.warm_up()
    return analyzer
