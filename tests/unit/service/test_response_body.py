"""How much of a body is taken, in pieces of every size."""

from __future__ import annotations

import gzip
import io
import random
import tracemalloc
import zlib

import pytest

from face_comparison.errors import BodyTooLarge, UrlFetchFailed
from face_comparison.fetching.response_body import read_body

LIMIT = 200_000
IMAGE = bytes(range(256)) * 700  # 179,200 bytes: several pieces


def body(data: bytes, *, declared: int | None = None, encoding: str | None = None, piece: int = 1 << 30) -> bytes:
    stream = io.BytesIO(data)
    return read_body(lambda size: stream.read(min(size, piece)), declared, encoding, LIMIT)


@pytest.mark.parametrize("piece", [1000, 65_536, 1 << 30])
def test_body_is_read_completely(piece: int) -> None:
    assert body(IMAGE, piece=piece) == IMAGE
    assert body(IMAGE, declared=len(IMAGE), piece=piece) == IMAGE
    assert body(gzip.compress(IMAGE), encoding="gzip", piece=piece) == IMAGE
    assert body(zlib.compress(IMAGE), encoding=" Deflate ", piece=piece) == IMAGE


def test_empty_body_is_read() -> None:
    assert body(b"") == b""
    assert body(b"", declared=0) == b""


def test_limit_is_inclusive() -> None:
    assert len(body(bytes(LIMIT))) == LIMIT
    assert len(body(gzip.compress(bytes(LIMIT)), encoding="gzip")) == LIMIT
    with pytest.raises(BodyTooLarge):
        body(bytes(LIMIT + 1))
    with pytest.raises(BodyTooLarge):
        body(gzip.compress(bytes(LIMIT + 1)), encoding="gzip")


def test_declared_length_above_limit_is_rejected_unread() -> None:
    def unread(size: int) -> bytes:
        raise AssertionError("it was read")

    with pytest.raises(BodyTooLarge, match="200000 bytes"):
        read_body(unread, LIMIT + 1, None, LIMIT)


def test_reading_stops_at_limit() -> None:
    read = 0

    def endless(size: int) -> bytes:
        nonlocal read
        read += size
        return bytes(size)

    with pytest.raises(BodyTooLarge):
        read_body(endless, None, None, LIMIT)
    assert read < LIMIT + 2 * 65_536


def test_bytes_after_compressed_data_count() -> None:
    with pytest.raises(BodyTooLarge):
        body(gzip.compress(IMAGE) + bytes(LIMIT), encoding="gzip")


def test_decompression_stops_at_limit() -> None:
    import tracemalloc

    bomb = gzip.compress(bytes(100_000_000))
    assert len(bomb) < LIMIT
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            body(bomb, encoding="gzip")
        assert tracemalloc.get_traced_memory()[1] < 10 * LIMIT
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (IMAGE[:-1], {"declared": len(IMAGE)}),
        (b"", {"declared": 1}),
        (gzip.compress(IMAGE)[:-9], {"encoding": "gzip"}),
        (b"", {"encoding": "gzip"}),
        (IMAGE, {"encoding": "gzip"}),
        (IMAGE, {"encoding": "br"}),
        (IMAGE, {"encoding": "gzip, gzip"}),
    ],
    ids=["short", "nothing", "short gzip", "no gzip", "not gzip", "brotli", "twice"],
)
def test_mismatched_body_is_rejected(data: bytes, options: dict[str, object]) -> None:
    with pytest.raises(UrlFetchFailed):
        body(data, **options)  # type: ignore[arg-type]


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    "encoding", ["", "identity", "aws-chunked", "utf-8", "binary", "none", "image/jpeg", "8bit, x"]
)
def test_meaningless_encodings_are_ignored(encoding: str) -> None:
    assert body(IMAGE, encoding=encoding) == IMAGE


@pytest.mark.parametrize("encoding", ["aws-chunked,gzip", "GZIP , identity", "x-gzip", "deflate"])
def test_known_encodings_are_decoded(encoding: str) -> None:
    assert body(gzip.compress(IMAGE), encoding=encoding) == IMAGE


def test_deflate_with_and_without_zlib_header() -> None:
    assert body(raw_deflate(IMAGE), encoding="deflate", piece=1000) == IMAGE
    with pytest.raises(UrlFetchFailed, match="cut off"):
        body(raw_deflate(IMAGE)[:-5], encoding="deflate")


@pytest.mark.parametrize("wbits", [-zlib.MAX_WBITS, zlib.MAX_WBITS, zlib.MAX_WBITS | 16], ids=["raw", "zlib", "gzip"])
@pytest.mark.parametrize("noise", [0, 65_000, 131_000])
def test_output_that_fills_parts_is_complete(wbits: int, noise: int) -> None:
    """The decompressor may have taken all input when a part of 64 KiB is full, and still have output."""
    encoding = "gzip" if wbits > zlib.MAX_WBITS else "deflate"
    start = random.Random(0).randbytes(noise)
    for size in range(65_536 * (noise // 65_536 + 1) - 3, 65_536 * (noise // 65_536 + 1) + 300, 7):
        data = start + bytes(size - noise)
        packer = zlib.compressobj(9, wbits=wbits)
        assert body(packer.compress(data) + packer.flush(), encoding=encoding) == data


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, br"])
def test_unsupported_encoding_is_named(encoding: str) -> None:
    with pytest.raises(UrlFetchFailed, match="gzip and deflate"):
        body(IMAGE, encoding=encoding)


@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_body_exists_only_once(encoding: str | None) -> None:
    """`fetch_bytes` of the memory budget is that of one image."""
    size = 8 * 2**20
    content = gzip.compress(bytes(size), 1) if encoding else bytes(size)
    stream = io.BytesIO(content)
    tracemalloc.start()
    try:
        found = read_body(stream.read, None, encoding, size)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == size
    assert peak < 1.2 * size + 2**20
