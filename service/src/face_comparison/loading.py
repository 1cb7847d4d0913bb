"""From the name of a bundle to an analyzer that has been tried: what a worker process and the command line both do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from face_comparison import bundle, publishing
from face_comparison.analysis import PictureAnalyzer, build_analyzer
from face_comparison.errors import InvalidBundle
from face_comparison.settings import Settings


def load_analyzer(
    settings: Settings,
    threads: int,
    bundles: Path,
    on_batch: Callable[[str, int], None] = lambda network, size: None,
    every_bucket: bool = True,
) -> PictureAnalyzer:
    """The bundle of the settings on its device and engine, after a real inference on the built-in sample.

    threads: pictures analyzed at once. bundles: folder in which bundles are kept. on_batch, every_bucket: see
    `build_analyzer`.
    Raises InvalidBundle, AcceleratorUnavailable, InvalidSettings. Fetches nothing: a start depends on no network.
    """
    folder = publishing.located(settings.bundle, bundles)
    if not folder.is_dir():
        raise InvalidBundle(
            f"there is no bundle in {folder}: `face-comparison models fetch` brings one, and --bundle names another"
        )
    analyzer = build_analyzer(
        bundle.opened(folder),
        device=settings.device,
        engine=settings.engine,
        threads=threads,
        on_batch=on_batch,
        every_bucket=every_bucket,
    )
    analyzer.warm_up()
    return analyzer
