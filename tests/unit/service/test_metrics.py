"""The metrics of several worker processes, read from one of them; the names that dashboards rely on."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from face_comparison.observability import metrics

WORKER = """
import sys
from face_comparison.observability import metrics
metrics.REQUESTS.labels("compare", 200).inc(int(sys.argv[1]))
metrics.IN_FLIGHT.inc(int(sys.argv[1]))
metrics.BATCH_SIZE.labels("embedder").observe(4)
metrics.describe("1.0", "model-1", "cpu", "none")
sys.stdout.write(metrics.exposition().decode())
sys.stdout.flush()
sys.stdin.read()  # stay alive: gauges of ended processes do not count
"""


def test_metrics_cover_all_processes(tmp_path):
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    command = [sys.executable, "-c", WORKER]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environ}
    with subprocess.Popen([*command, "2"], **pipes) as first:
        assert first.stdout is not None
        while "face_comparison_build_info" not in first.stdout.readline():
            assert first.poll() is None
        second = subprocess.run(
            [*command, "3"], input="", stdout=subprocess.PIPE, text=True, env=environ, timeout=60, check=True
        )
        first.communicate("", timeout=60)
    found = {
        sample.name: (sample.labels, sample.value)
        for family in text_string_to_metric_families(second.stdout)
        for sample in family.samples
    }
    assert found["face_comparison_requests_total"] == ({"route": "compare", "code": "200"}, 5)
    assert found["face_comparison_requests_in_flight"] == ({}, 5)
    assert found["face_comparison_batch_size_count"] == ({"model": "embedder"}, 2)
    assert found["face_comparison_build_info"] == (
        {"version": "1.0", "model": "model-1", "device": "cpu", "engine": "none"}, 1,
    )  # fmt: skip


DELETED = """
import sys
from face_comparison.observability import metrics
metrics.COLLECTION_FACES.replace({"staff": 7, "guests": 2})
metrics.COLLECTION_FACES.replace({"guests": 3}) if sys.argv[1] == "knows" else None
sys.stdout.write(metrics.exposition().decode())
"""


def test_deleted_collection_is_omitted(tmp_path):
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    found = [
        subprocess.run(
            [sys.executable, "-c", DELETED, how], capture_output=True, text=True, env=environ, timeout=60, check=True
        ).stdout
        for how in ("does not know", "knows")
    ]
    assert 'collection="staff"} 7.0' in found[0]
    assert 'collection="guests"} 3.0' in found[1]
    assert "staff" not in found[1]


def test_metrics_have_prefix_and_help():
    families = {
        family.name: family.documentation
        for family in text_string_to_metric_families(metrics.exposition().decode())
        if family.name.startswith("face_comparison_")
    }
    assert set(families) == {
        f"face_comparison_{name}"
        for name in (
            "requests", "key_requests", "request_duration_seconds", "phase_duration_seconds", "faces_per_image",
            "batch_size", "requests_in_flight",
            "queue_depth", "requests_rejected", "build_info", "connections", "loop_turn_seconds", "evictions",
            "memory_budget_bytes",
            "memory_reserved_bytes", "api_keys", "api_keys_invalid_lines", "api_keys_short", "api_keys_reload_failed",
            "auth_failures", "collection_searches", "collection_faces", "collection_search_duration_seconds",
                "store_errors",
        )
    }  # fmt: skip
    assert all(families.values())


def test_updated_collections_are_shown():
    sizes = metrics.CollectionFaces()

    def shown():
        return {sample.labels["collection"]: sample.value for family in sizes.collect() for sample in family.samples}

    sizes.update("staff", 1)
    assert shown() == {}
    sizes.replace({"staff": 1, "guests": 2})
    sizes.update("staff", 5)
    assert shown() == {"staff": 5, "guests": 2}
    sizes.update("staff", None)
    assert shown() == {"guests": 2}


def test_concurrent_requests_share_one_reading() -> None:
    now = iter(range(1, 100))
    readings = iter(range(100))
    exposition = metrics.Exposition(lambda: b"%d" % next(readings), clock=lambda: float(next(now)))
    assert exposition.text(since=0.5) == b"0"  # began at 1
    assert exposition.text(since=0.9) == b"0"
    assert exposition.text(since=1.5) == b"1"  # began at 2
    assert [exposition.text(since=asked) for asked in (1.6, 1.9, 0.1)] == [b"1"] * 3
    assert exposition.text(since=2.5) == b"2"


def test_failed_reading_is_not_shared() -> None:
    texts = iter([b"fine"])
    failures = iter([ValueError("files")])

    def generate() -> bytes:
        for failure in failures:
            raise failure
        return next(texts)

    exposition = metrics.Exposition(generate, clock=lambda: 1.0)
    with pytest.raises(ValueError, match="files"):
        exposition.text(since=0.5)
    assert exposition.text(since=0.5) == b"fine"
