"""Work that takes the event loop a moment is done in turns, between which everybody else is served."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from face_comparison.server.application_threads import READ_THREADS
from face_comparison.server.deferred_work import DEFERRED_SECONDS
from face_comparison.server.http_server import HttpServer, ServerLimits
from face_comparison.server.phases import Phase
from face_comparison.server.ranking import KEPT
from face_comparison.server.wsgi_call import Reply
from face_comparison.serving.memory_budget import MemoryBudget
from face_comparison.web import environ as keys


def in_loop(act: Callable[[HttpServer, list[object]], None], turns: int = 20) -> list[object]:
    """What `act` and what it defers have written, and a mark for each turn of the event loop."""
    written: list[object] = []

    async def run() -> None:
        limits = ServerLimits(request_seconds=1, max_body_bytes=1, connections=1, threads=1)
        act(HttpServer(lambda *_: [], lambda _: None, limits, MemoryBudget(2**30)), written)
        for _ in range(turns):
            written.append("turn")
            await asyncio.sleep(0)

    asyncio.run(run())
    return written


def test_long_deferred_work_yields() -> None:
    def act(server: HttpServer, written: list[object]) -> None:
        def work(number: int) -> None:
            written.append(number)
            until = time.monotonic() + 2 * DEFERRED_SECONDS
            while time.monotonic() < until:
                pass

        for number in range(3):
            server.defer(lambda number=number: work(number))  # type: ignore[misc]

    written = in_loop(act)
    assert [each for each in written if each != "turn"] == [0, 1, 2]
    assert "turn" in written[written.index(0) : written.index(1)]
    assert "turn" in written[written.index(1) : written.index(2)]


def test_deferred_work_may_defer_more() -> None:
    def act(server: HttpServer, written: list[object]) -> None:
        def work(left: int) -> None:
            written.append(left)
            if left:
                server.defer(lambda: work(left - 1))

        server.defer(lambda: work(3))

    assert [each for each in in_loop(act) if each != "turn"] == [3, 2, 1, 0]


@pytest.mark.filterwarnings("ignore")
def test_failed_deferred_work_does_not_stop_others() -> None:
    def fail() -> None:
        raise KeyError("nothing")

    def act(server: HttpServer, written: list[object]) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: written.append(type(context["exception"])))
        server.defer(fail)
        server.defer(lambda: written.append("next"))

    assert [each for each in in_loop(act) if each != "turn"] == [KeyError, "next"]


Rejections = list[Callable[[], None]]
Address = tuple[str, int]


@contextlib.contextmanager
def holding_rejections(status: str) -> Iterator[tuple[HttpServer, Address, Rejections]]:
    """Yields a server that replies with this status, its address, and the rejections that it has not sent yet."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response(status, [("Content-Length", "0")])
        return []

    limits = ServerLimits(request_seconds=30, max_body_bytes=100, connections=1, threads=1)
    server = HttpServer(answer, lambda _: None, limits, MemoryBudget(2**30))
    rejections: Rejections = []
    server.defer = rejections.append  # type: ignore[method-assign, assignment]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        server.listen(listener)
        yield server, listener.getsockname(), rejections
        server.stop_listening(listener)


def test_pending_rejections_keep_nobody_out() -> None:
    """Thousands may: those of clients that closed their connections in the middle of a body, all at once."""

    async def run() -> bytes:
        with holding_rejections("200 OK") as (_, address, rejections):
            _, gone = await asyncio.open_connection(*address)
            gone.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
            gone.close()
            while not rejections:
                await asyncio.sleep(0)
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            status = await asyncio.wait_for(reader.readline(), 30)
            for reject in rejections:
                reject()
            writer.close()
        return status

    assert asyncio.run(run()) == b"HTTP/1.1 200 OK\r\n"


def test_client_that_left_before_its_response_is_no_error() -> None:
    """Otherwise, the event loop would log an error for each client of a flood that does not wait."""

    async def run() -> None:
        with holding_rejections("400 Bad Request") as (server, address, rejections):
            with socket.create_connection(address) as client:
                client.sendall(b"malformed\r\n\r\n")
                while not rejections:
                    await asyncio.sleep(0)
            rejections.pop()()
            while server.connections:
                await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(run(), 30))


Environ = dict[str, Any]


def assert_no_delay(held: list[Environ], prompt: Environ) -> None:
    """Asserts that a server replies to `prompt` while the application replies to none of the requests `held`."""
    go = threading.Event()

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != prompt["PATH_INFO"]:
            go.wait()
        start_response("200 OK", [("Content-Length", "0")])
        return []

    async def run() -> None:
        limits = ServerLimits(request_seconds=30, max_body_bytes=100, connections=1, threads=2)
        server = HttpServer(answer, lambda _: None, limits, MemoryBudget(2**30))
        early: list[Reply] = []
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        for environ in held:
            server.submit(environ, early.append)
        server.submit(prompt, reply.set_result)
        try:
            assert (await asyncio.wait_for(reply, 30)).status == 200
            assert early == []
        finally:
            go.set()

    asyncio.run(run())


DOCUMENT: Environ = {"PATH_INFO": "/prod/openapi.json", "REQUEST_METHOD": "GET"}


def test_documents_asked_for_by_many_delay_no_image() -> None:
    """More of them than there are threads, and none is answered yet."""
    held = [dict(DOCUMENT) for _ in range(100)]
    assert_no_delay(held, {"PATH_INFO": "/prod/face_comparison", "REQUEST_METHOD": "POST"})


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_lists_from_slow_store_delay_no_document(method: str) -> None:
    paths = ("/prod/face_comparison/collections", "/prod/face-comparison/collections/staff/users")
    held = [{"PATH_INFO": path, "REQUEST_METHOD": method} for path in paths for _ in range(READ_THREADS)]
    assert_no_delay(held, dict(DOCUMENT))


@pytest.mark.parametrize("names", [("REMOTE_ADDR",), ("REMOTE_ADDR", keys.CALLER)])
def test_callers_take_turns_for_threads(names: tuple[str, ...]) -> None:
    """However many requests one of them has sent before. Behind a proxy, all have its address."""
    handled: list[str] = []
    go = threading.Event()

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        go.wait()
        handled.append(environ[names[-1]])
        start_response("200 OK", [("Content-Length", "0")])
        return []

    async def run() -> None:
        limits = ServerLimits(request_seconds=30, max_body_bytes=100, connections=1, threads=1)
        server = HttpServer(answer, lambda _: None, limits, MemoryBudget(2**30))
        ended = asyncio.Event()
        for caller in ["a"] * 50 + ["b", "c", "b"]:
            environ = {"PATH_INFO": "/", "REQUEST_METHOD": "POST", "REMOTE_ADDR": "proxy"} | {names[-1]: caller}
            server.submit(environ, lambda _: ended.set() if len(handled) == 53 else None)
        go.set()
        await asyncio.wait_for(ended.wait(), 30)

    asyncio.run(run())
    assert handled[:6] == ["a", "a", "b", "c", "a", "b"]
    assert handled[6:] == ["a"] * 47


class Transfer:
    """A connection whose body arrives; it holds more, the larger `age` is, but never ends by itself."""

    phase = Phase.BODY
    bytes_per_second = 0.0

    def __init__(self, server: HttpServer, age: int, caller: str = "address:1") -> None:
        self._server, self.age, self.caller, self.held_bytes = server, age, caller, 0
        server._table.join(caller)
        server.add(self)  # type: ignore[arg-type]

    @property
    def byte_seconds(self) -> int:
        return self.held_bytes * self.age

    def evict(self) -> None:
        self._server.release(self)  # type: ignore[arg-type]
        self.phase = Phase.CLOSED
        self._server.moved(self, Phase.BODY)  # type: ignore[arg-type]


def test_room_is_made_by_those_who_hold_memory_now() -> None:
    """Not only by those who held most a moment ago, and have been served since."""

    async def run() -> None:
        budget = MemoryBudget(400)  # half of it for transfers
        limits = ServerLimits(request_seconds=1, max_body_bytes=1, connections=1, threads=1)
        server = HttpServer(lambda *_: [], lambda _: None, limits, budget)
        transfers: Any = [Transfer(server, age) for age in range(300)]
        newest, *others = transfers
        early, late = others[: 2 * KEPT], others[2 * KEPT :]
        for each in late:
            assert server.charge(each, 1)
        assert server.charge(newest, budget.total // 2 - budget.in_use + 1)
        assert late[-1].phase is Phase.CLOSED
        for each in late:
            server.release(each)
        for each in early:
            assert server.charge(each, 1)
        assert server.charge(newest, budget.total // 2 - budget.in_use + 1)
        assert early[-1].phase is Phase.CLOSED

    asyncio.run(run())


def test_room_is_made_by_address_that_holds_most() -> None:
    """Even if a large upload of another address has taken longer than each of its many small ones."""

    async def run() -> None:
        budget = MemoryBudget(400)  # half of it for transfers
        limits = ServerLimits(request_seconds=1, max_body_bytes=1, connections=1, threads=1)
        server = HttpServer(lambda *_: [], lambda _: None, limits, budget)
        large: Any = Transfer(server, 1000)
        small: Any = [Transfer(server, 1, "address:2") for _ in range(12)]
        newest: Any = Transfer(server, 0, "address:3")
        assert server.charge(large, 40)
        for each in small:
            assert server.charge(each, 10)
        assert server.charge(newest, budget.total // 2 - budget.in_use + 1)
        assert large.phase is Phase.BODY
        assert [each.phase for each in small].count(Phase.CLOSED) > 0

    asyncio.run(run())


def test_rejected_request_leaves_no_garbage() -> None:
    """An error refers to the functions it was raised in, and one of those to the error."""
    error = ValueError("rejected")

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with pytest.raises(ValueError, match="rejected"):
            raise environ[keys.ERROR]
        start_response("400 Bad Request", [("Content-Length", "0")])
        return []

    async def run() -> None:
        limits = ServerLimits(request_seconds=1, max_body_bytes=1, connections=1, threads=1)
        server = HttpServer(application, lambda _: None, limits, MemoryBudget(2**30))
        replied = asyncio.Event()
        server.submit({"PATH_INFO": "/", keys.ERROR: error}, lambda reply: replied.set())
        await replied.wait()

    asyncio.run(run())
    assert error.__traceback__ is None
