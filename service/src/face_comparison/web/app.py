"""The HTTP application: its parts, and the paths of an earlier stage.

The modules named `*_routes` and the package `collections` add the routes; `endpoint` says in which order a request is
checked, and `request_hooks` what happens around each one. Only the modules in this folder import Flask.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask

from face_comparison.serving.admission import Admission
from face_comparison.serving.collection_upkeep import CollectionUpkeep
from face_comparison.serving.face_service import FaceService, Fetcher
from face_comparison.serving.readiness import Readiness
from face_comparison.settings import Settings
from face_comparison.vision.analyzer import Analyzer
from face_comparison.web import environ as environ_keys
from face_comparison.web.auth import ApiKeys
from face_comparison.web.client_address import environ_address, trust_proxies
from face_comparison.web.collections import register_collections
from face_comparison.web.document_routes import register_documents
from face_comparison.web.endpoint import Endpoint
from face_comparison.web.face_routes import register_faces
from face_comparison.web.health_routes import register_health
from face_comparison.web.rekognition import register_rekognition
from face_comparison.web.request_gate import RequestGate, caller_of_address
from face_comparison.web.request_hooks import register_hooks

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_GATE = "face_comparison.gate"


def create_app(
    settings: Settings,
    analyzer: Analyzer,
    fetcher: Fetcher,
    admission: Admission,
    readiness: Readiness,
    collections: CollectionUpkeep | None = None,
) -> Flask:
    """Creates the WSGI application.

    `head_rejection` says which of its requests can be rejected without reading their bodies.

    Args:
        settings: The options of the service.
        analyzer: Finds faces.
        fetcher: Fetches images by URL.
        admission: Admission control.
        readiness: Whether this process accepts requests.
        collections: The collection service; None if there is no store.

    Raises:
        InvalidSettings: The API keys file is invalid.
    """
    keys = ApiKeys(settings.api_keys_file) if settings.auth == "api-key" and settings.api_keys_file else None
    gate = RequestGate(readiness, keys, admission, settings.max_body_bytes)
    app = Flask("face_comparison", static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    register_hooks(app, settings, admission)
    register_health(app, settings, readiness, collections)  # first, so that no stage name hides a probe
    faces = FaceService(analyzer, fetcher, settings.max_side)
    endpoint = Endpoint(settings, admission, gate, keys)
    register_faces(app, endpoint, faces)
    register_rekognition(app, settings.stage, endpoint, faces, None if collections is None else collections.service)
    if collections is not None:
        register_collections(app, settings.stage, endpoint, faces, collections.service)
    register_documents(app, settings, analyzer)
    if settings.former_stage:
        app.wsgi_app = alias_stage(app.wsgi_app, settings.former_stage, settings.stage)  # type: ignore[assignment, method-assign]
    if settings.trusted_proxies:
        app.wsgi_app = trust_proxies(app.wsgi_app, settings.trusted_proxies)  # type: ignore[assignment, method-assign]
    app.extensions[_GATE] = gate
    return app


def head_rejection(app: Flask, settings: Settings, environ: WSGIEnvironment) -> Exception | None:
    """Returns why the application rejects a request based on its head alone, or None if it needs the body.

    Notes the caller that the address stands for.
    """
    gate: RequestGate = app.extensions[_GATE]
    path = former_path(environ["PATH_INFO"], settings.former_stage, settings.stage)
    address = environ_address(environ, settings.trusted_proxies)
    environ[environ_keys.CALLER] = caller_of_address(address).key
    return gate.rejection(app.url_map, environ | {"PATH_INFO": path, "REMOTE_ADDR": address})


def alias_stage(application: WSGIApplication, former: str, stage: str) -> WSGIApplication:
    """Wraps `application` so that paths under the stage `former` are served like those under `stage`."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["PATH_INFO"] = former_path(environ.get("PATH_INFO", ""), former, stage)
        return application(environ, start_response)

    return answer


def former_path(path: str, former: str | None, stage: str) -> str:
    """Returns `path` with the stage `former` replaced by `stage`; paths under other stages are returned unchanged."""
    if former and path.startswith(f"/{former}/"):
        return f"/{stage}/{path.removeprefix(f'/{former}/')}"
    return path
