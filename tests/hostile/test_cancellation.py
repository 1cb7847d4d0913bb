"""Work ends when its client has gone: queued requests, fetches, and computations between two steps."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from support.hostile import head, victim
from support.served import Served, raw_request, serving, until
from support.servers import Conversation, Server


def reset(sock: socket.socket) -> None:
    """Close so that the other side notices immediately."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


Act = Callable[[socket.socket], None]


def assert_clients_leave_queue(folder: Path, send: Act, leave: Act) -> None:
    """Asserts that a full queue becomes empty when its clients leave, long before the time of their requests is over.

    Args:
        folder: An empty folder.
        send: Sends the request of a client that waits in the queue.
        leave: Ends its connection.
    """
    with serving(folder, threads=1, queue=5, request_seconds=3600) as service:
        service.wait_ready()
        with service.connect() as first:
            first.sendall(raw_request(b"hold %s" % bytes(folder / "go")))
            until((folder / "go.begun").exists, "the first computes")
            waiting = [service.connect() for _ in range(5)]
            for sock in waiting:
                send(sock)
            until(lambda: service.metric("face_comparison_requests_in_flight") == 6, "the queue is full")
            for sock in waiting:
                leave(sock)
            until(lambda: service.metric("face_comparison_requests_in_flight") == 1, "those that left are gone")
            (folder / "go").touch()
        assert victim(service) > 0


@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["close", "reset"])
def test_disconnected_client_leaves_queue(tmp_path: Path, leave: Act) -> None:
    assert_clients_leave_queue(tmp_path, lambda sock: sock.sendall(raw_request(b"quick")), leave)


def test_fetch_ends_when_client_disconnects(service: Served) -> None:
    ended = []

    def never(conversation: Conversation) -> None:
        with contextlib.suppress(OSError):
            conversation.silence()
        ended.append(True)

    with Server.on_loopback() as images:
        images.replies["/never"] = never
        body = json.dumps({"url": f"http://127.0.0.1:{images.port}/never"}).encode()
        with service.connect() as sock:
            sock.sendall(head(content_length=len(body)) + body)
            until(lambda: images.requests, "the image is being fetched")
            reset(sock)
        until(lambda: ended, "the fetch has ended", seconds=4)  # it would wait 5 s for a byte
        until(lambda: service.metric("face_comparison_requests_in_flight") == 0, "nothing is left of it")
