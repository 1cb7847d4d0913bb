"""The application with collections in SQLite, and requests to it as the HTTP server makes them, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask

from face_comparison.collections.service import CollectionService
from face_comparison.collections.stores import open_store
from face_comparison.fetching.fetcher import Fetcher, FetchPolicy
from face_comparison.server.wsgi_call import Reply, call_application
from face_comparison.serving.admission import Admission
from face_comparison.serving.collection_upkeep import CollectionUpkeep
from face_comparison.serving.readiness import Readiness
from face_comparison.settings import Settings
from face_comparison.web import environ as keys
from face_comparison.web.app import create_app
from support.analyzer import FakeAnalyzer


@contextmanager
def collections_app(folder: Path, admission: Admission, max_faces: int) -> Iterator[Flask]:
    """Yields a ready application whose store, in this folder, has the collection `staff`."""
    analyzer, readiness = FakeAnalyzer(), Readiness()
    upkeep = CollectionUpkeep(
        CollectionService(open_store(f"sqlite:{folder}", max_faces=max_faces), lambda: analyzer.model)
    )
    settings = Settings(collections="sqlite:/srv/faces")
    app = create_app(settings, analyzer, Fetcher(FetchPolicy()), admission, readiness, upkeep)
    readiness.ready()
    post(app, "/prod/face_comparison/collections", "application/json", b'{"CollectionId":"staff"}')
    yield app
    upkeep.service.close()


def post(app: Flask, path: str, content_type: str, body: bytes, **variables: Any) -> Reply:
    """Posts a body; variables: more of the WSGI environment."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": content_type,
        "wsgi.url_scheme": "http",
        "wsgi.input": keys.Body(bytearray(body)),
    }
    return call_application(app, environ | variables)
