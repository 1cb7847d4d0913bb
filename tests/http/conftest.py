"""The application through Flask's client: everything real but the models, whose place `fakes.analyzer` takes."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from face_comparison.fetching.fetcher import Fetcher, FetchPolicy
from face_comparison.observability import logs
from face_comparison.serving.admission import Admission
from face_comparison.serving.readiness import Readiness
from face_comparison.settings import Settings
from face_comparison.web.app import create_app
from support.analyzer import FakeAnalyzer, image
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
