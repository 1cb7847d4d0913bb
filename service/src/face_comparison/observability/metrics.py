"""All Prometheus metrics of the service.

With several worker processes, the values are stored in files in PROMETHEUS_MULTIPROC_DIR, which must be set before this
module is imported. Each process can then report the values of all of them.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

disable_created_metrics()  # type: ignore[no-untyped-call]  # the creation time of every counter is of no use here

# A phase takes from half a millisecond (detection in a small image on a GPU) to 10 s (a slow fetch).
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)

REQUESTS = Counter("face_comparison_requests_total", "Responses, by route and HTTP status.", ["route", "code"])
KEY_REQUESTS = Counter(
    "face_comparison_key_requests_total",
    "Responses, by the name of the API key; keys after the first 100 of the file are `other`.",
    ["key", "code"],
)
REQUEST_SECONDS = Histogram(
    "face_comparison_request_duration_seconds",
    "Time from a request's head to its response.",
    ["route"],
    buckets=_SECONDS,
)
PHASE_SECONDS = Histogram(
    "face_comparison_phase_duration_seconds",
    "Time of one phase of one image or request: read, fetch, queue, decode, detect, embed.",
    ["phase"],
    buckets=_SECONDS,
)
FACES = Histogram(
    "face_comparison_faces_per_image",
    "Faces found in an image.",
    buckets=(0, 1, 2, 3, 5, 10, 20, 50, 100),
)
BATCH_SIZE = Histogram(
    "face_comparison_batch_size",
    "Inputs per model run.",
    ["model"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)
IN_FLIGHT = Gauge(
    "face_comparison_requests_in_flight", "Requests admitted and not yet responded to.", multiprocess_mode="livesum"
)
QUEUE_DEPTH = Gauge(
    "face_comparison_queue_depth", "Images that wait for an inference slot.", multiprocess_mode="livesum"
)
REJECTED = Counter(
    "face_comparison_requests_rejected_total",
    "Requests rejected before any work: overloaded, draining, not_ready.",
    ["reason"],
)
INFO = Gauge(
    "face_comparison_build_info",
    "Always 1; the labels say what runs.",
    ["version", "model", "device", "engine"],
    multiprocess_mode="livemax",
)
CONNECTIONS = Gauge("face_comparison_connections", "Open client connections.", multiprocess_mode="livesum")
LOOP_TURN_SECONDS = Histogram(
    "face_comparison_loop_turn_seconds",
    "Processor time of turns of the event loop of 5 ms or more: probes wait for several turns.",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1),
)
EVICTIONS = Counter(
    "face_comparison_evictions_total",
    "Connections, uploads, fetches, and queued requests ended early to make room for others.",
    ["reason"],
)
MEMORY_BUDGET = Gauge(
    "face_comparison_memory_budget_bytes",
    "Memory that requests may use, after the models have been loaded.",
    multiprocess_mode="livesum",
)
MEMORY_RESERVED = Gauge(
    "face_comparison_memory_reserved_bytes",
    "Memory reserved for requests, in use or not.",
    multiprocess_mode="livesum",
)
API_KEYS = Gauge("face_comparison_api_keys", "API keys that are accepted.", multiprocess_mode="livemax")
INVALID_KEY_LINES = Gauge(
    "face_comparison_api_keys_invalid_lines",
    "Lines of the API keys file that are ignored because they cannot be read.",
    multiprocess_mode="livemax",
)
SHORT_API_KEYS = Gauge(
    "face_comparison_api_keys_short",
    "API keys that are accepted although they are short enough to be guessed.",
    multiprocess_mode="livemax",
)
API_KEYS_RELOAD_FAILED = Gauge(
    "face_comparison_api_keys_reload_failed",
    "1 if the API keys file could not be read after it changed, so that the previous keys are still accepted.",
    multiprocess_mode="livemax",
)
AUTH_FAILURES = Counter(
    "face_comparison_auth_failures_total",
    "Requests without an API key, with an unknown one, or with one too many unknown ones from their address.",
    ["reason"],
)

COLLECTION_SEARCHES = Counter(
    "face_comparison_collection_searches_total", "Faces searched in collections, by decision.", ["decision"]
)


class CollectionFaces(Collector):
    """The sizes of collections, as this process last saw them in the store that all processes share.

    It is not a gauge like the others: with several processes, a gauge never forgets a label, so that callers who may
    create and delete collections could fill the memory with names.
    """

    def __init__(self) -> None:
        self._faces: Mapping[str, int] = {}

    def replace(self, faces: Mapping[str, int]) -> None:
        """Sets the sizes of all collections that are reported."""
        self._faces = dict(faces)

    def update(self, name: str, faces: int | None) -> None:
        """Updates the size of a collection that is already reported; None removes it."""
        if name in self._faces:
            rest = {each: count for each, count in self._faces.items() if each != name}
            self._faces = rest if faces is None else {**rest, name: faces}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields the metric family, as Prometheus' client library requires."""
        family = GaugeMetricFamily(
            "face_comparison_collection_faces", "Faces enrolled, by collection.", labels=["collection"]
        )
        for name, faces in sorted(self._faces.items()):
            family.add_metric([name], faces)
        yield family


COLLECTION_FACES = CollectionFaces()
REGISTRY.register(COLLECTION_FACES)
COLLECTION_SEARCH_SECONDS = Histogram(
    "face_comparison_collection_search_duration_seconds",
    "Time to search a collection for the faces of one image, without detection.",
    buckets=_SECONDS,
)
STORE_ERRORS = Counter(
    "face_comparison_store_errors_total", "Calls that failed because the store was unavailable.", ["action"]
)


class Exposition:
    """The values of all worker processes, in the text format 0.0.4.

    Generating them takes milliseconds, so all requests that arrived before it began share the result: a hundred
    simultaneous requests cost little more than two.
    """

    def __init__(self, generate: Callable[[], bytes], clock: Callable[[], float] = time.monotonic) -> None:
        self._generate, self._clock = generate, clock
        self._lock = threading.Lock()
        self._began = -math.inf
        self._text = b""

    def text(self, since: float) -> bytes:
        """Returns the values, none of them older than the time `since` (in seconds of the clock)."""
        with self._lock:
            if self._began < since:
                began = self._clock()
                self._text = self._generate()
                self._began = began
            return self._text


def exposition() -> bytes:
    """Returns the current values of all worker processes in the text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(COLLECTION_FACES)
    return generate_latest(registry)


def describe(version: str, model: str, device: str, engine: str) -> None:
    """Sets the labels of `build_info`: the package's version, the FaceModelVersion, the device, and the engine."""
    INFO.labels(version, model, device, engine).set(1)
