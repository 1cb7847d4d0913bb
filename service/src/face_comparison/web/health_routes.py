"""The routes of the probes and the metrics, which need no key."""

from __future__ import annotations

from flask import Flask, Response, request

from face_comparison.api import responses as api
from face_comparison.observability import metrics
from face_comparison.serving.collection_upkeep import CollectionUpkeep
from face_comparison.serving.readiness import Readiness
from face_comparison.settings import Settings
from face_comparison.web.endpoint import request_deadline
from face_comparison.web.replies import to_reply

HEALTH = frozenset({"livez", "readyz", "ping", "metrics"})
"""Names of these routes."""


def register_health(app: Flask, settings: Settings, readiness: Readiness, collections: CollectionUpkeep | None) -> None:
    """Adds the routes of the probes and of the metrics."""

    def livez() -> Response:
        return to_reply(api.Status("alive"))

    def readyz() -> Response:
        readiness.check_all()
        if "verbose" not in request.args:
            return to_reply(api.Status("ready"))
        # A store failure does not affect readiness: detection and comparison work without the store.
        state = {"status": "disabled"} if collections is None else collections.state
        return to_reply(api.Status("ready", state))

    shared = metrics.Exposition(metrics.exposition)

    def exposition() -> Response:
        started = request_deadline(settings) - settings.request_seconds
        return Response(shared.text(started), content_type=metrics.CONTENT_TYPE)

    app.add_url_rule("/livez", "livez", livez)
    app.add_url_rule("/readyz", "readyz", readyz)
    app.add_url_rule("/ping", "ping", readyz)
    app.add_url_rule("/metrics", "metrics", exposition)
