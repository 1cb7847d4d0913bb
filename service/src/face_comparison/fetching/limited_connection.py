"""Connections whose time and received bytes are limited below every parser."""

from __future__ import annotations

import http
import http.client
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from face_comparison.errors import BodyTooLarge, UrlFetchFailed
from face_comparison.fetching.deadline import TimeLimit

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MAX_INTERIM_RESPONSES = 16


@dataclass(slots=True)
class Limits:
    """The remaining limits of a connection.

    Attributes:
        time: Time limit of the whole fetch.
        wait: Maximum seconds without receiving a byte.
        total: Bytes that may still be received.
    """

    time: TimeLimit
    wait: float
    total: int
    framing: int = 512 * 1024
    """Bytes that may still be received in addition to the body: headers, chunk lengths, trailers."""

    def seconds(self) -> float:
        """Returns the timeout of the next read, in seconds."""
        return self.time.remaining(self.wait)

    def counted(self, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
        """Wraps `read` so that the bytes it returns, which are those of the body, increase the allowance for framing.

        Chunks of 24 bytes are possible, but parsing chunks of one byte in Python would take minutes.
        """

        def read_counted(size: int) -> bytes:
            chunk = read(size)
            self.framing += len(chunk) + len(chunk) // 4
            return chunk

        return read_counted


def max_received_bytes(max_bytes: int) -> int:
    """Returns the maximum size of a whole response, in bytes.

    Headers and chunk lengths add to the size of an image; a response that consists mostly of those is not an image.
    """
    return 2 * max_bytes + 2**20


class FinalResponse(http.client.HTTPResponse):
    """A response that skips interim ones such as 103 Early Hints; `http.client` itself skips only 100 Continue."""

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(_MAX_INTERIM_RESPONSES):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200 or status in (http.HTTPStatus.CONTINUE, http.HTTPStatus.SWITCHING_PROTOCOLS):
                return version, status, reason
            http.client.parse_headers(self.fp)
        raise http.client.BadStatusLine("interim responses without end")


class LimitedSocket(socket.socket):
    """A socket that enforces the time limit of the whole fetch and the maximum size of a response.

    A timeout alone restarts with every byte, so a server that sends one byte per second would never exceed it. And
    parsers have gaps: `http.client` interprets a chunk of length -1 as "everything that follows", and would read all of
    it into memory.
    """

    limits: Limits

    def recv_into(self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0) -> int:
        """Receives into a buffer, within the limits."""
        self.settimeout(self.limits.seconds())
        received = super().recv_into(buffer, nbytes or memoryview(buffer).nbytes, flags)
        self.limits.total -= received
        self.limits.framing -= received
        if self.limits.total < 0:
            raise BodyTooLarge("the response of the URL's server is much larger than an image may be")
        if self.limits.framing < 0:
            raise UrlFetchFailed("the response of the URL's server has long headers or is cut into tiny chunks")
        return received


class LimitedTlsSocket(LimitedSocket, ssl.SSLSocket):
    """The same with TLS. The SSL context creates it and cannot pass the limits, so they are set afterwards."""


def shut_down(sock: socket.socket) -> None:
    """Interrupts another thread that is reading from the socket."""
    with suppress(OSError):
        # Not `SSLSocket.shutdown`, which would modify the object while it is being read from.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
