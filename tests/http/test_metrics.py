"""What `/metrics` says after requests. Counters are of the whole test process, so differences count."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from face_comparison.observability import metrics
from support.running import COMPARE, DETECT, base64_of, img


def samples(running):
    response = running.client.get("/metrics")
    assert response.status_code == 200
    assert response.content_type == metrics.CONTENT_TYPE
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


@pytest.fixture
def growth(running):
    """By how much a sample has grown since the test began."""
    before = samples(running)

    def grown(name, **labels):
        key = (f"face_comparison_{name}", *sorted(labels.items()))
        return samples(running).get(key, 0) - before.get(key, 0)

    return grown


def test_requests_are_counted_by_route_and_code(running, growth):
    running.detect(**img("anna"))
    running.client.post("/prod/face-comparison/", json=img("anna"))
    running.detect(img=5)
    running.client.post(COMPARE, json={})
    running.client.get("/prod/some/path/of/a/scanner")
    running.client.options(DETECT)
    assert growth("requests_total", route="face_comparison", code="200") == 2
    assert growth("requests_total", route="face_comparison", code="400") == 1
    assert growth("requests_total", route="compare", code="400") == 1
    assert growth("requests_total", route="unmatched", code="404") == 1
    assert growth("requests_total", route="preflight", code="200") == 1
    assert growth("request_duration_seconds_count", route="face_comparison") == 3


def test_phases_are_timed_per_image(running, growth):
    running.detect(**img("anna"))
    running.compare(source=img("anna"), targets=[img("anna"), img("bert")])
    phases = ("queue", "decode", "detect", "embed", "read")
    assert [growth("phase_duration_seconds_count", phase=phase) for phase in phases] == [
        4, 4, 4, 4, 2,
    ]  # fmt: skip
    assert growth("phase_duration_seconds_sum", phase="embed") == pytest.approx(0.012)


def test_failed_fetch_is_timed(running, growth, images):
    running.detect(url=images.url("/anna.jpg"))
    running.detect(url=images.url("/nobody.jpg"))
    assert growth("phase_duration_seconds_count", phase="fetch") == 2


def test_faces_are_counted_per_image(running, growth):
    running.detect(**img())
    running.detect(**img("anna", "bert"))
    assert growth("faces_per_image_count") == 2
    assert growth("faces_per_image_sum") == 2
    assert growth("faces_per_image_bucket", le="0.0") == 1


@pytest.mark.parametrize(
    ("options", "drain", "reason"),
    [({"slots": 0, "queue": 0}, False, "overloaded"), ({"ready": False}, False, "not_ready"), ({}, True, "draining")],
)
def test_rejections_are_counted_by_reason(start, growth, options, drain, reason):
    running = start(**options)
    if drain:
        running.readiness.drain()
    running.client.post(DETECT, json=img("anna"))
    assert growth("requests_rejected_total", reason=reason) == 1


@pytest.mark.parametrize("probe", ["/readyz", "/ping"])
def test_probes_are_not_counted_as_rejected(start, growth, probe):
    assert start(ready=False).client.get(probe).status_code == 503
    assert growth("requests_rejected_total", reason="not_ready") == 0


def test_gauges_return_to_zero(running):
    for body in (img("anna"), {"img": base64_of(b"bug")}, {"img": base64_of(b"corrupt")}, {}):
        running.client.post(DETECT, json=body)
        running.client.post(COMPARE, json={"source": body, "target": body})
    after = samples(running)
    assert after[("face_comparison_requests_in_flight",)] == 0
    assert after[("face_comparison_queue_depth",)] == 0
