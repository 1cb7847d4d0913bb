"""Valid requests that cost much more memory than they have bytes, on the real models: the budget holds."""

from __future__ import annotations

import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from support.hostile import MIB, measured
from support.served import LIMIT, Served, until

LIMIT_BYTES = 1024 * MIB
SLOTS = 8
"""As on a node of eight cores, of which each would decode one image if only slots counted."""


@pytest.fixture(scope="module")
def service() -> Iterator[Served]:
    program = Path(sys.executable).with_name("face-comparison")
    options = {"THREADS": str(SLOTS), "QUEUE": "32", "MEMORY_BYTES": str(LIMIT_BYTES), "REQUEST_SECONDS": "120"}
    served = Served([str(program), "serve"], {f"FACE_COMPARISON_{name}": value for name, value in options.items()})
    try:
        served.wait_listening()
        until(lambda: served.get("/readyz").status == 200, "the service is ready", seconds=240)
        yield served
    finally:
        served.end()


def png(side: int) -> bytes:
    """16-bit RGBA of one color: a few kilobytes for tens of megabytes of pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([16, 6, 0, 0, 0])
    pixels = zlib.compress(bytes((1 + side * 8) * side), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def send(service: Served, image: bytes) -> tuple[int, str]:
    headers = {"Content-Type": "image/png"}
    reply = service.session.request("POST", service.url + "/prod/face_comparison", body=image, headers=headers)
    return reply.status, reply.json().get("error", {}).get("code", "")


def resident(service: Served) -> int:
    parent = psutil.Process(service.process.pid)
    return int(sum(process.memory_info().rss for process in [parent, *parent.children(recursive=True)]))


def test_an_image_that_never_fits_is_rejected_before_it_is_decoded(service: Served) -> None:
    image = png(4096)
    with measured(service) as usage:
        assert send(service, image) == (413, "body_too_large")
    assert usage.peak_growth < 64 * MIB


def test_images_that_do_not_fit_together_wait_for_each_other_and_memory_is_returned(service: Served) -> None:
    image = png(1600)
    assert send(service, image) == (200, "")
    before = resident(service)
    with measured(service) as usage, ThreadPoolExecutor(24) as pool:
        outcomes = Counter(done.result(LIMIT) for done in [pool.submit(send, service, image) for _ in range(24)])
    assert outcomes.keys() <= {(200, ""), (429, "overloaded")}
    assert outcomes[200, ""] > 0
    assert before + usage.peak_growth < LIMIT_BYTES
    until(lambda: resident(service) < 1.1 * before + 32 * MIB, "memory is returned", seconds=30)
