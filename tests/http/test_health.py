"""Probes: alive at all times, ready only when images can be analyzed."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("path", ["/readyz", "/ping"])
def test_readiness_follows_state(start, path):
    running = start(ready=False)
    response = running.client.get(path)
    assert (response.status_code, response.json["error"]["code"]) == (503, "not_ready")
    assert int(response.headers["Retry-After"]) >= 1
    running.readiness.ready()
    assert running.client.get(path).status_code == 200
    running.readiness.drain()
    response = running.client.get(path)
    assert (response.status_code, response.json["error"]["code"]) == (503, "draining")


def test_liveness_is_independent_of_readiness(start):
    running = start(ready=False)
    assert running.client.get("/livez").status_code == 200
    running.readiness.drain()
    assert running.client.get("/livez").status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/ping", "/metrics"])
def test_health_is_read_only(running, path):
    assert running.client.post(path).status_code == 405
    assert running.client.head(path).status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/prod/face_comparison", "/prod/openapi.json", "/nowhere"])
def test_responses_have_service_identity(start, path):
    """The operator believes what answers at a URL only when it is its own resource's pod, whatever the status."""
    identified, anonymous = start(identity="uid-1", auth="none"), start()
    assert identified.client.get(path).headers["X-Face-Comparison-Identity"] == "uid-1"
    assert "X-Face-Comparison-Identity" not in anonymous.client.get(path).headers
