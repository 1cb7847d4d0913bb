"""The routes of the OpenAPI document and the API Explorer."""

from __future__ import annotations

from functools import cache
from importlib import resources

from flask import Flask, Response, redirect
from werkzeug.wrappers import Response as WerkzeugResponse

from face_comparison import errors
from face_comparison.api import encoding
from face_comparison.settings import Settings
from face_comparison.vision.analyzer import Analyzer, ModelInfo
from face_comparison.web import openapi_document
from face_comparison.web.replies import file_response
from face_comparison.web.static_files import StaticFile, static_file, static_files

_EXPLORER_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def register_documents(app: Flask, settings: Settings, analyzer: Analyzer) -> None:
    """Adds the routes of the OpenAPI document, the API Explorer, and the redirects to it."""
    stage = settings.stage
    package = resources.files("face_comparison")
    files = static_files(package / "explorer")
    files["sample.jpg"] = static_file("sample.jpg", (package / "sample.jpg").read_bytes())

    @cache
    def described(model: ModelInfo) -> StaticFile:
        return static_file("openapi.json", encoding.encode(openapi_document.document(settings, model), encoding.JSON))

    def send_openapi() -> Response:
        return file_response(described(analyzer.model))

    def explorer(name: str = "index.html") -> Response:
        if name not in files:
            raise errors.NotFound("the API Explorer has no such file")
        response = file_response(files[name])
        response.headers["Content-Security-Policy"] = _EXPLORER_POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    def to_explorer() -> WerkzeugResponse:
        return redirect(f"/{stage}/", 308)

    app.add_url_rule(f"/{stage}/openapi.json", "openapi", send_openapi)
    app.add_url_rule(f"/{stage}/", "explorer", explorer, strict_slashes=True)
    app.add_url_rule(f"/{stage}/explorer/<path:name>", "explorer", explorer)
    app.add_url_rule(f"/{stage}", "to_explorer", to_explorer, strict_slashes=True)
    app.add_url_rule("/", "to_explorer", to_explorer)
