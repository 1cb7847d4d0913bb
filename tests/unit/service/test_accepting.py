"""Which connections are served first, and which make room for others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from face_comparison.server.acceptor import BEGINS_PER_TURN
from face_comparison.server.http_server import HttpServer, ServerLimits
from face_comparison.server.phases import Phase
from face_comparison.server.waiting_room import Accepted
from face_comparison.serving.memory_budget import MemoryBudget

PROBE = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = b"GET /prod/ HTTP/1.1\r\nHo"
LIMIT = 30.0


class Recorder(HttpServer):
    """Writes down whose connections it begins to serve, and closes them."""

    begun: list[int]

    def _connect(self, accepted: Accepted) -> None:
        self.begun.append(accepted.peer[1])
        accepted.sock.close()
        self._table.leave(accepted.caller)


def serve(
    kind: type[HttpServer],
    connections: int,
    act: Callable[[Any, Callable[[bytes], Awaitable[socket.socket]]], Awaitable[None]],
) -> None:
    """Runs `act` with a server, and a function that connects to it and sends something."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        limits = ServerLimits(request_seconds=60, max_body_bytes=10, connections=connections, threads=1)
        server = kind(lambda *_: [], lambda _: None, limits, MemoryBudget(2**30))
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100))
            listener.setblocking(False)
            server.listener = listener  # type: ignore[attr-defined]

            async def connect(first: bytes) -> socket.socket:
                sock = stack.enter_context(socket.socket())
                sock.setblocking(False)
                await loop.sock_connect(sock, listener.getsockname())
                await loop.sock_sendall(sock, first)
                return sock

            await asyncio.wait_for(act(server, connect), LIMIT)

    asyncio.run(run())


def test_probes_begin_before_requests_and_requests_before_silence() -> None:
    async def act(server: Any, connect: Callable[[bytes], Awaitable[socket.socket]]) -> None:
        server.begun = []
        ports: dict[bytes, list[int]] = {PROBE: [], HALF: [], b"": []}
        for first in [b"", HALF, b"", PROBE, HALF, b"", b""]:
            ports[first].append((await connect(first)).getsockname()[1])
        server._acceptor.accept(server.listener, server.listener.getsockname())
        while len(server.begun) < 7:
            await asyncio.sleep(0.01)
        assert server.begun == [*ports[PROBE], *ports[HALF][::-1], *ports[b""][::-1]]

    serve(Recorder, 100, act)


def test_failure_to_begin_one_connection_does_not_stop_others() -> None:
    class Failing(Recorder):
        def _connect(self, accepted: Accepted) -> None:
            super()._connect(accepted)
            if len(self.begun) == BEGINS_PER_TURN + 1:
                raise KeyError("nothing")

    async def act(server: Any, connect: Callable[[bytes], Awaitable[socket.socket]]) -> None:
        failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        server.begun = []
        for _ in range(BEGINS_PER_TURN + 2):
            await connect(PROBE)
        server._acceptor.accept(server.listener, server.listener.getsockname())
        while len(server.begun) < BEGINS_PER_TURN + 2:
            await asyncio.sleep(0.01)
        assert len(failures) == 1

    serve(Failing, 100, act)


def test_connection_accepted_last_keeps_worker_busy() -> None:
    """A worker that is stopping waits for the request on it, and exits afterwards."""

    async def act(server: Any, connect: Callable[[bytes], Awaitable[socket.socket]]) -> None:
        client = await connect(HALF)
        server.stop_listening(server.listener)
        assert server.busy
        client.close()
        while server.busy:
            await asyncio.sleep(0.01)
        assert server.connections == 0

    serve(HttpServer, 100, act)


def is_open(sock: socket.socket) -> bool:
    with contextlib.suppress(BlockingIOError):
        return sock.recv(1) != b""
    return True


@pytest.mark.parametrize("crowd", [1, 200])
def test_new_connection_is_kept_unless_there_are_many(crowd: int) -> None:
    """Its request may have arrived. A crowd that sends nothing makes room before a client that has begun a request."""

    async def act(server: Any, connect: Callable[[bytes], Awaitable[socket.socket]]) -> None:
        server.listen(server.listener)
        begun = await connect(HALF)
        while not server._table.count_in(Phase.HEAD):
            await asyncio.sleep(0.01)
        silent = [await connect(b"") for _ in range(crowd)]
        while server.connections <= crowd:
            await asyncio.sleep(0.01)
        await connect(b"")
        while is_open(begun) and all(map(is_open, silent)):
            await asyncio.sleep(0.01)
        assert is_open(begun) == (crowd > 1)
        server.stop_listening(server.listener)

    serve(HttpServer, 1 + crowd, act)
