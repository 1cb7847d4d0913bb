"""Reads the body of an HTTP or S3 response with a size limit.

The limit applies to the received and to the decompressed bytes: a few kilobytes can decompress to gigabytes.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator

from face_comparison.errors import BodyTooLarge, UrlFetchFailed

_CHUNK = 64 * 1024
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_UNSUPPORTED = frozenset({"br", "zstd", "compress", "x-compress", "dcb", "dcz"})


def read_body(read: Callable[[int], bytes], declared: int | None, encoding: str | None, max_bytes: int) -> bytes:
    """Reads a body and decompresses it if necessary.

    Args:
        read: Returns up to the given number of bytes; none at the end.
        declared: The Content-Length, if any.
        encoding: The Content-Encoding, if any.
        max_bytes: Maximum size of the body, before and after decompression.

    Returns:
        The decompressed body.

    Raises:
        BodyTooLarge: The body is larger than the maximum.
        UrlFetchFailed: The body is truncated or cannot be decompressed.
    """
    if declared is not None and declared > max_bytes:
        raise too_large(max_bytes)
    unpack = _unpacker_for(encoding)
    body = io.BytesIO()  # unlike joining parts at the end, this never holds two copies
    received = unpacked = 0
    while chunk := read(_CHUNK):
        received += len(chunk)
        for part in [chunk] if unpack is None else unpack.decompress(chunk):
            unpacked += len(part)
            if received > max_bytes or unpacked > max_bytes:
                raise too_large(max_bytes)
            body.write(part)
    if (declared is not None and received < declared) or (unpack is not None and not unpack.eof):
        raise UrlFetchFailed("the image was cut off: the connection ended before its last byte")
    return body.getvalue()


def too_large(max_bytes: int) -> BodyTooLarge:
    """Returns the error for a body of more than `max_bytes` bytes."""
    return BodyTooLarge(f"the image at the URL is larger than {max_bytes} bytes")


class _Unpacker:
    """Decompresses gzip and deflate, the latter with or without a zlib header."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._begun = False

    @property
    def eof(self) -> bool:
        return self._stream.eof

    def decompress(self, chunk: bytes) -> Iterator[bytes]:
        """Decompresses a chunk in parts of up to `_CHUNK` bytes. Raises UrlFetchFailed if the data is invalid."""
        try:
            part = self._first_part(chunk)
            yield part
            # A full part may not be all of the output, even if no input is left.
            while not self._stream.eof and (self._stream.unconsumed_tail or len(part) == _CHUNK):
                part = self._stream.decompress(self._stream.unconsumed_tail, _CHUNK)
                yield part
        except zlib.error:
            raise _decompression_failed() from None

    def _first_part(self, chunk: bytes) -> bytes:
        try:
            part = self._stream.decompress(chunk, _CHUNK)
        except zlib.error:
            if self._begun:
                raise
            self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
            part = self._stream.decompress(chunk, _CHUNK)
        self._begun = True
        return part


def _decompression_failed() -> UrlFetchFailed:
    return UrlFetchFailed("the image was sent compressed, and cannot be decompressed")


def _unpacker_for(encoding: str | None) -> _Unpacker | None:
    """Returns a decompressor, or None if the body is not compressed.

    Requests ask servers not to compress, but some send files that they store compressed. Names that are not a
    compression (aws-chunked, utf-8, none) are ignored, as browsers do.

    Raises:
        UrlFetchFailed: The compression is not supported.
    """
    names = {name.strip().lower() for name in (encoding or "").split(",")}
    if names & _UNSUPPORTED:
        raise UrlFetchFailed("the image was sent with a compression other than gzip and deflate")
    return _Unpacker() if names & {"gzip", "x-gzip", "deflate"} else None
