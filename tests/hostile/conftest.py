"""A service of two slots and a small queue, around an analyzer that obeys: a few bad clients would fill it.

Every test was run against the first server, which one client could stop: those that it passed say so, and why.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from face_comparison.cpus import available_cpus
from face_comparison.engines.openvino import copies_for
from support.hostile import MIB
from support.served import Served, serving, serving_models

SLOTS, QUEUE = 2, 8

MODEL_SERVICE_SLOTS = 8
"""As on a node of eight cores, of which each would decode one image if only slots counted."""

_COPY_BYTES = 264 * MIB
_MORE_COPIES = max(copies_for(MODEL_SERVICE_SLOTS, available_cpus()) - 2, 0)
MODEL_SERVICE_BYTES = 1152 * MIB + _MORE_COPIES * _COPY_BYTES
"""Room for the networks, in as many copies as this machine's cores need, and for one image."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    options = {"threads": SLOTS, "queue": QUEUE, "request_seconds": 30, "allowed_hosts": "127.0.0.1"}
    with serving(tmp_path_factory.mktemp("hostile"), **options) as served:
        yield served.wait_ready()


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Served]:
    """The same, with little time for a request."""
    with serving(tmp_path, threads=SLOTS, queue=QUEUE, request_seconds=1) as served:
        yield served.wait_ready()


@pytest.fixture(scope="session")
def model_service() -> Iterator[Served]:
    """A service on the real models, with little memory and many slots."""
    with serving_models(
        threads=MODEL_SERVICE_SLOTS,
        queue=32,
        memory_bytes=MODEL_SERVICE_BYTES,
        request_seconds=120,
        allowed_hosts="127.0.0.1",
    ) as served:
        yield served


FEWEST_SOCKETS, MOST_SOCKETS, OTHER_FILES = 2_500, 10_000, 500


@pytest.fixture
def room_for_sockets() -> Iterator[int]:
    """How many connections this process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_SOCKETS + OTHER_FILES
    granted = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if granted < FEWEST_SOCKETS + OTHER_FILES:
        pytest.skip("this process may not open enough files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, granted), hard))
    yield granted - OTHER_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
