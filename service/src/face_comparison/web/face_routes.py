"""The routes that detect and compare faces, and the description of the endpoint."""

from __future__ import annotations

from flask import Flask, Response, g, request

from face_comparison.api import responses as api
from face_comparison.serving.face_service import FaceService
from face_comparison.serving.permit import Permit
from face_comparison.web import endpoint_description
from face_comparison.web.endpoint import Endpoint
from face_comparison.web.permissions import DETECT
from face_comparison.web.public_errors import to_public_error
from face_comparison.web.replies import to_reply
from face_comparison.web.request_body import Received
from face_comparison.wire import requests, responses


def register_faces(app: Flask, endpoint: Endpoint, service: FaceService) -> None:
    """Adds the routes under both spellings of the endpoint."""

    def handle_detect(body: Received, permit: Permit) -> api.Response:
        detect_request = requests.detect_request(body, request.headers.get("Content-Type", ""), request.args)
        return responses.to_detect_response(service.detect(detect_request, permit, g.stages), service.model.version)

    def handle_compare(body: Received, permit: Permit) -> api.Response:
        compare_request = requests.compare_request(
            body, request.headers.get("Content-Type", ""), service.model.version, request.args
        )
        g.targets = len(compare_request.targets)
        found = service.compare(compare_request, permit, g.stages)
        targets = [to_public_error(target) if isinstance(target, Exception) else target for target in found.targets]
        return responses.to_compare_response(found.source, targets, found.threshold, service.model.version)

    def detect() -> Response:
        return endpoint.answer(handle_detect, DETECT)

    def compare() -> Response:
        return endpoint.answer(handle_compare, DETECT)

    def describe() -> Response:
        endpoint.authorize()
        return to_reply(endpoint_description.description(endpoint.settings, service.model, endpoint.granted()))

    for name in ("face_comparison", "face-comparison"):
        path = f"/{endpoint.settings.stage}/{name}"
        app.add_url_rule(path, "face_comparison", detect, methods=["POST"])
        app.add_url_rule(f"{path}/compare", "compare", compare, methods=["POST"])
        app.add_url_rule(path, "description", describe, methods=["GET"])
    app.add_url_rule("/invocations", "invocations", detect, methods=["POST"])
