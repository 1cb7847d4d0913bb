"""Images that say little and decode to much, sent or fetched, also behind redirects: their price is known before."""

from __future__ import annotations

import functools
import gzip
import io
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pillow_heif
import pytest
from PIL import Image

from hostile.test_memory import png
from support.hostile import MIB, measured
from support.served import LIMIT, Served
from support.servers import Conversation, Server, redirect, reply

FLAT = (90, 90, 90)


def avif(side: int, claimed: int) -> bytes:
    """Of one color; its file says that it is smaller."""
    stream = io.BytesIO()
    Image.new("RGB", (side, side), FLAT).save(stream, "AVIF", speed=10)
    return claiming(stream.getvalue(), claimed)


def heic(side: int, claimed: int) -> bytes:
    stream = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (side, side), FLAT)).save(stream, quality=10)
    return claiming(stream.getvalue(), claimed)


def claiming(data: bytes, side: int) -> bytes:
    place = data.index(b"ispe") + 8
    return data[:place] + struct.pack(">II", side, side) + data[place + 8 :]


def png_of_chunks(kind: bytes, content: bytes) -> bytes:
    """A small PNG with a chunk that inflates to much."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), FLAT).save(stream, "PNG")
    data = stream.getvalue()
    chunk = len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")
    return data[:33] + chunk + data[33:]


INFLATED = 256 * MIB


@functools.cache
def zeros() -> bytes:
    return zlib.compress(bytes(INFLATED))


BOMBS: dict[str, Callable[[], bytes]] = {
    "AVIF larger than it says": lambda: avif(4096, 64),
    "HEIC larger than it says": lambda: heic(4096, 64),
    "16-bit PNG": lambda: png(4096),
    "PNG with a text": lambda: png_of_chunks(b"zTXt", b"Comment\0\0" + zeros()),
    "PNG with a translated text": lambda: png_of_chunks(b"iTXt", b"Comment\0\1\0\0\0" + zeros()),
    "PNG with a color profile": lambda: png_of_chunks(b"iCCP", b"Profile\0\0" + zeros()),
}


@pytest.fixture(scope="module")
def images() -> Iterator[Server]:
    with Server.on_loopback() as server:
        for name, make in BOMBS.items():
            server.replies[f"/{name.replace(' ', '-')}"] = reply(make(), content_type="image/png")
            server.replies[f"/to-{name.replace(' ', '-')}"] = redirect(f"/{name.replace(' ', '-')}")
        yield server


def detect(service: Served, images: Server, path: str) -> tuple[int, str]:
    url = f"http://127.0.0.1:{images.port}{path}"
    answer = service.session.request("POST", service.url + "/prod/face_comparison", json={"url": url})
    return answer.status, answer.json().get("error", {}).get("code", "")


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("prefix", ["/", "/to-"], ids=["itself", "redirect"])
def test_fetched_bomb_is_rejected_or_cheap(model_service: Served, images: Server, prefix: str, name: str) -> None:
    """The first server withstood the texts and profiles of a PNG, and knew neither AVIF nor HEIC."""
    with measured(model_service) as usage, ThreadPoolExecutor(8) as pool:
        path = prefix + name.replace(" ", "-")
        found = Counter(pool.map(lambda _: detect(model_service, images, path), range(8)))
    assert found.keys() <= {(200, ""), (400, "corrupt_image"), (413, "body_too_large"), (429, "overloaded")}
    assert usage.peak_growth < 150 * MIB
    assert usage.cpu_seconds < 6


@pytest.mark.parametrize("layers", [1, 2])
def test_endless_content_encoding_is_cut_off(model_service: Served, images: Server, layers: int) -> None:
    """Guards against a regression: the first server counted what came out of the encoding, too."""
    body = gzip.compress(bytes(INFLATED), 1)
    if layers == 2:
        body = gzip.compress(body)
    encodings = ", ".join(["gzip"] * layers)
    images.replies["/encoded"] = reply(body, content_type="image/png", content_encoding=encodings)
    with measured(model_service) as usage:
        found = detect(model_service, images, "/encoded")
    assert found in {(413, "body_too_large"), (502, "url_fetch_failed"), (400, "unsupported_format")}
    assert usage.peak_growth < 80 * MIB
    assert usage.cpu_seconds < 2


def test_redirects_end_after_three(model_service: Served, images: Server) -> None:
    """Guards against a regression: the first server did this, too."""
    images.replies |= {f"/chain{number}": redirect(f"/chain{number + 1}") for number in range(100)}
    images.replies |= {
        "/loop": redirect("/loop"),
        "/there": redirect("/back"),
        "/back": redirect("/there"),
        "/growing": redirect("/growing?" + "a" * 6000),
        "/nowhere": redirect(""),
        "/inside": redirect("http://169.254.169.254/latest/meta-data/"),
        "/file": redirect("file:///etc/passwd"),
        "/bucket": redirect("s3://bucket/key"),
    }
    before = len(images.requests)
    for path in ("/chain0", "/loop", "/there", "/growing", "/nowhere"):
        assert detect(model_service, images, path)[1] in ("url_fetch_failed", "url_not_allowed"), path
    for path in ("/inside", "/file", "/bucket"):
        assert detect(model_service, images, path) == (400, "url_not_allowed")
    assert len(images.requests) - before <= 5 * 4 + 3


def test_trickling_redirects_share_one_deadline(service: Served, images: Server) -> None:
    """Each answers just in time; all together must not take longer than one fetch may.

    Guards against a regression: the first server did this, too.
    """

    def late(conversation: Conversation) -> None:
        conversation.send(b"HTTP/1.1 302 Found\r\nLocation: /late\r\nX: ")
        conversation.repeat(b"x", every=0.2)

    images.replies["/late"] = late
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: detect(service, images, "/late"), range(4)):
            assert found[0] in (429, 502, 504)
    assert service.get("/livez").status == 200


def test_concurrent_bombs_stay_below_memory_limit(model_service: Served) -> None:
    """Every kind at once, as bodies."""
    bodies = [make() for make in BOMBS.values()] * 6

    def send(body: bytes) -> int:
        headers = {"Content-Type": "image/png"}
        path = model_service.url + "/prod/face_comparison"
        return model_service.session.request("POST", path, body=body, headers=headers, timeout=LIMIT).status

    with measured(model_service) as usage, ThreadPoolExecutor(16) as pool:
        found = Counter(pool.map(send, bodies))
    assert found.keys() <= {200, 400, 413, 429}
    assert usage.peak_growth < 250 * MIB
