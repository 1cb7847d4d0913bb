"""Requests as bytes, and images that need much memory."""

from __future__ import annotations

import base64
import json
import socket
import zlib

from devtools.soak.service import MIB

PATH = "/prod/face_comparison"


def head(length: int | None = None, content_type: str = "application/json") -> bytes:
    """Returns the head of a POST; without a length the body is chunked."""
    declared = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [f"POST {PATH} HTTP/1.1", "Host: soak", "Connection: close", f"Content-Type: {content_type}", declared]
    return "\r\n".join([*lines, "", ""]).encode()


def exchange(sock: socket.socket, request: bytes) -> tuple[int, bytes]:
    """Sends a request and reads until the service closes; returns the status and everything received."""
    sock.sendall(request)
    received = b""
    while data := sock.recv(65536):
        received += data
    return int(received[9:12] or b"0"), received


def png(side: int, depth: int = 16, channels: int = 4) -> bytes:
    """Returns a PNG of one color, small as a file and large once decoded."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    color = {1: 0, 3: 2, 4: 6}[channels]
    header = side.to_bytes(4, "big") * 2 + bytes([depth, color, 0, 0, 0])
    packer = zlib.compressobj(1)
    row = b"\0" + bytes(side * channels * depth // 8)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def huge_requests() -> list[bytes]:
    """Returns valid requests that need much memory: large images, a third of them in bodies that are mostly padding."""
    requests = []
    for image in (png(4096), png(4096, 8, 3), png(3000, 16, 1), png(2000, 8, 4)):
        text = base64.b64encode(image).decode()
        for padding in (0, 0, 14 * MIB):
            body = json.dumps({"img": text, "pad": "x" * padding}).encode()
            requests.append(head(len(body)) + body)
    return requests
