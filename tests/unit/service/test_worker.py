"""The last moments of a worker, step by step: what they do to its door is over too soon to be seen from outside."""

from __future__ import annotations

import logging
import selectors
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

from face_comparison.server.connection import Connection
from face_comparison.server.gunicorn_app import ServiceLogger
from face_comparison.server.listener import create_listener
from face_comparison.server.shared_state import Board
from face_comparison.server.worker import DRAIN_SECONDS, HANDSHAKE_SECONDS, Worker
from face_comparison.settings import Settings


def is_open(listener: socket.socket) -> bool:
    """Whether a connection that begins now comes about."""
    with socket.socket(listener.family) as client:
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can hold connections back")
def test_the_door_is_shut_when_no_worker_has_anything_left_and_a_while_before_the_end() -> None:
    board = Board()
    app = SimpleNamespace(board=board, settings=Settings())
    with create_listener("127.0.0.1", 0) as listener, selectors.DefaultSelector() as poller:
        listener.setblocking(False)
        worker = Worker(1, 0, [listener], app, 30, Config(), logging.getLogger("gunicorn.error"))
        worker.poller, worker.alive = poller, True
        worker._drain_began = time.monotonic() - DRAIN_SECONDS

        board.tally(2, 1)  # another worker still has a request inside
        worker.wait_for_and_dispatch_events(0)
        assert worker.alive
        assert is_open(listener)

        board.tally(2, 0)
        worker.wait_for_and_dispatch_events(0)
        assert worker.alive  # what had begun to connect is still let in
        assert not is_open(listener)

        assert worker._shut is not None
        worker._shut -= HANDSHAKE_SECONDS
        worker.wait_for_and_dispatch_events(0)
        assert not worker.alive
        worker.tmp.close()


@pytest.mark.parametrize(("workers", "room", "taken"), [(1, 100, 9), (1, 4, 4), (3, 100, 1)])
def test_a_burst_is_taken_in_one_turn_unless_others_want_their_share(workers: int, room: int, taken: int) -> None:
    config = Config()
    config.set("workers", workers)
    config.set("worker_connections", room)
    app = SimpleNamespace(board=Board(), settings=Settings())
    with ExitStack() as stack:
        listener = stack.enter_context(create_listener("127.0.0.1", 0))
        listener.setblocking(False)
        worker = Worker(1, 0, [listener], app, 30, config, logging.getLogger("gunicorn.error"))
        worker.poller = stack.enter_context(selectors.DefaultSelector())
        for _ in range(9):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        worker.accept(listener)
        assert worker.nr_conns == len(worker.pending_conns) == taken
        for conn in worker.pending_conns:
            conn.sock.close()
        worker.tmp.close()


def test_whether_it_is_alive_is_answered_without_a_thread_and_everything_else_by_one() -> None:
    app = SimpleNamespace(board=Board(), settings=Settings())
    given: list[str] = []
    with ExitStack() as stack:
        listener = stack.enter_context(create_listener("127.0.0.1", 0))
        listener.setblocking(False)
        worker = Worker(1, 0, [listener], app, 30, Config(), ServiceLogger(Config()))
        worker.poller = stack.enter_context(selectors.DefaultSelector())
        worker.alive = True

        def submit(work: Callable[..., object], conn: Connection) -> Future[object]:
            given.append(work.__name__)
            stack.callback(conn.sock.close)
            return Future()

        worker.tpool = SimpleNamespace(submit=submit)

        def answer(environ: dict[str, str], start_response: Callable[..., object]) -> list[bytes]:
            start_response("200 OK", [("Content-Length", "5")])
            return [environ["PATH_INFO"].encode()[-5:]]

        worker.wsgi = answer

        def asked(client: socket.socket, path: str) -> None:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            for key, _ in worker.poller.select(timeout=30):
                key.data(key.fileobj)

        probe = stack.enter_context(socket.create_connection(listener.getsockname(), timeout=30))
        worker.accept(listener)
        asked(probe, "/livez")
        assert probe.recv(1000).endswith(b"livez")
        assert given == []
        asked(probe, "/livez")  # a client that reads nothing could keep the loop from going on
        assert given == ["handle"]

        other = stack.enter_context(socket.create_connection(listener.getsockname(), timeout=30))
        worker.accept(listener)
        asked(other, "/livezy")
        assert given == ["handle", "handle"]
        worker.tmp.close()
