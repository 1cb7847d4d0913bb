"""The application through Flask's client: everything real but the models, whose place `support.analyzer` takes."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from face_comparison.collections.service import CollectionService
from face_comparison.collections.stores import open_store
from face_comparison.fetching.fetcher import Fetcher, FetchPolicy
from face_comparison.observability import logs
from face_comparison.serving.admission import Admission
from face_comparison.serving.collection_upkeep import CollectionUpkeep
from face_comparison.serving.readiness import Readiness
from face_comparison.settings import Settings
from face_comparison.web.app import create_app
from support.analyzer import FakeAnalyzer, NarrowAnalyzer, image
from support.running import Lines, Running
from support.servers import Server, reply


@pytest.fixture(scope="session")
def fetchers() -> Callable[[FetchPolicy], Fetcher]:
    """One fetcher for each policy: loading the certificates that it trusts takes a while."""
    return functools.cache(Fetcher)


@pytest.fixture
def start(fetchers: Callable[[FetchPolicy], Fetcher]) -> Callable[..., Running]:
    """Start an application with other settings than the default ones."""

    def started(
        *, ready: bool = True, slots: int = 2, analyzer: Any = None, upkeep: Any = None, **options: Any
    ) -> Running:
        settings = Settings(**options)
        analyzer, admission, readiness = analyzer or FakeAnalyzer(), Admission(slots, settings.queue), Readiness()
        fetcher = fetchers(
            FetchPolicy(
                allowed_hosts=settings.allowed_hosts,
                max_bytes=settings.max_fetch_bytes,
                seconds=settings.fetch_seconds,
            )
        )
        app = create_app(settings, analyzer, fetcher, admission, readiness, upkeep)
        if ready:
            readiness.ready()
        return Running(app.test_client(), analyzer, admission, readiness, settings)

    return started


@pytest.fixture
def serve(start: Callable[..., Running], tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Serve an application with a store on loopback; returns its URL."""
    ending: list[Callable[[], None]] = []

    def served(**options: Any) -> str:
        analyzer = NarrowAnalyzer()
        store = open_store(f"sqlite:{tmp_path / 'store'}", max_faces=1000)
        upkeep = CollectionUpkeep(CollectionService(store, lambda: analyzer.model))
        running = start(analyzer=analyzer, upkeep=upkeep, collections="sqlite:/srv/faces", **options)
        server = make_server("127.0.0.1", 0, running.client.application, threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        ending.extend([server.shutdown, thread.join, server.server_close, upkeep.service.close])
        return f"http://127.0.0.1:{server.server_port}"

    yield served
    for end in ending:
        end()


@pytest.fixture
def running(start: Callable[..., Running]) -> Running:
    return start(allowed_hosts=("127.0.0.1",))


@pytest.fixture
def images() -> Iterator[Server]:
    """An HTTP server on loopback: /anna.jpg and /bert.jpg are images, everything else is not there."""
    with Server.on_loopback() as server:
        for person in ("anna", "bert"):
            server.replies[f"/{person}.jpg"] = reply(image(person), content_type="image/jpeg")
        yield server


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The JSON lines that the service logs during a test."""
    root, package = logging.getLogger(), logging.getLogger("face_comparison")
    before = root.handlers, root.level, package.level
    logged = Lines()
    logs.configure("debug", logged.stream)
    yield logged
    root.handlers, root.level, package.level = before
    logging.captureWarnings(capture=False)
