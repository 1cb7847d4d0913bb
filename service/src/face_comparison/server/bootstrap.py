"""Composition root of a worker process: builds the fetcher, the models, and the application from the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Flask

from face_comparison import __version__
from face_comparison.errors import NotReady
from face_comparison.fetching.fetcher import Fetcher, FetchPolicy
from face_comparison.image.formats import ACCEPT
from face_comparison.observability import metrics
from face_comparison.server.collection_store import open_collections
from face_comparison.server.sizing import Sizing
from face_comparison.serving.admission import Admission
from face_comparison.serving.readiness import LOADING, Readiness
from face_comparison.settings import Settings
from face_comparison.vision.analyzer import Analyzer, ModelInfo
from face_comparison.vision.types import ImageAnalysis
from face_comparison.web.app import create_app, head_rejection

Loader = Callable[[Settings, Sizing], Analyzer]
"""Loads the analyzer of a worker process. Its exceptions abort the startup."""


@dataclass(frozen=True, slots=True)
class Process:
    """The application of a worker process, and the functions to start and stop it."""

    app: Flask
    head_rejection: Callable[[dict[str, Any]], Exception | None]
    """Returns why the application rejects a request based on its head's environ, or None if it needs the body."""
    load: Callable[[], None]
    """Loads and tries the models, then marks this process as ready. Its exceptions abort the startup."""
    drain: Callable[[], None]
    """Rejects all new requests from now on."""


class Pending:
    """Placeholder for the analyzer while the models are loading: raises NotReady until `target` is set."""

    target: Analyzer | None = None

    def _loaded(self) -> Analyzer:
        if self.target is None:
            raise NotReady(f"{LOADING}: send the request again in a moment")
        return self.target

    @property
    def model(self) -> ModelInfo:
        """The loaded model; accessing it raises NotReady while the models are loading."""
        return self._loaded().model

    def analyze(self, data: bytes, *, max_faces: int = 100, min_confidence: float | None = None) -> ImageAnalysis:
        """Analyzes an image as `Analyzer` does.

        Raises:
            NotReady: The models are still loading.
        """
        return self._loaded().analyze(data, max_faces=max_faces, min_confidence=min_confidence)


def build(
    settings: Settings, admission: Admission, *, peers: Callable[[], bool], load: Callable[[], Analyzer]
) -> Process:
    """Builds the service of a worker process without loading the models.

    Args:
        settings: The options of the service.
        admission: Admission control.
        peers: Returns whether the other processes are ready.
        load: Loads the analyzer; its exceptions abort the startup.

    Raises:
        InvalidSettings: The collection store or the API keys file is not valid.
    """
    readiness, analyzer = Readiness(peers), Pending()
    fetcher = Fetcher(
        FetchPolicy(
            allowed_hosts=settings.allowed_hosts,
            allowed_buckets=settings.allowed_buckets,
            max_bytes=settings.max_fetch_bytes,
            seconds=settings.fetch_seconds,
            accept=ACCEPT,
        )
    )

    upkeep = open_collections(settings, lambda: analyzer.model)

    def load_models() -> None:
        analyzer.target = load()
        model = analyzer.model
        metrics.describe(__version__, model.version, model.device, model.engine)
        readiness.ready()
        if upkeep is not None:
            upkeep.start()

    app = create_app(settings, analyzer, fetcher, admission, readiness, upkeep)
    return Process(app, partial(head_rejection, app, settings), load_models, readiness.drain)
