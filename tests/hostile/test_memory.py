"""Valid requests that cost much more memory than they have bytes, on the real models: the budget holds."""

from __future__ import annotations

import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psutil

from hostile.conftest import MODEL_SERVICE_BYTES
from support.hostile import MIB, measured
from support.served import LIMIT, Served, until


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
    """The bytes that a container is charged for: pages that the processes share count once."""
    parent = psutil.Process(service.process.pid)
    return int(sum(process.memory_full_info().pss for process in [parent, *parent.children(recursive=True)]))


def test_image_above_memory_budget_is_rejected_before_decoding(model_service: Served) -> None:
    image = png(4096)
    with measured(model_service) as usage:
        assert send(model_service, image) == (413, "body_too_large")
    assert usage.peak_growth < 64 * MIB


def test_images_above_memory_budget_take_turns(model_service: Served) -> None:
    image = png(1600)
    assert send(model_service, image) == (200, "")
    before = resident(model_service)
    with measured(model_service) as usage, ThreadPoolExecutor(24) as pool:
        outcomes = Counter(done.result(LIMIT) for done in [pool.submit(send, model_service, image) for _ in range(24)])
    assert outcomes.keys() <= {(200, ""), (429, "overloaded")}
    assert outcomes[200, ""] > 0
    assert before + usage.peak_growth < MODEL_SERVICE_BYTES
    until(lambda: resident(model_service) < 1.1 * before + 32 * MIB, "memory is returned", seconds=30)
