"""Connections are shared fairly between addresses, and those that wait are served in a sensible order."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from face_comparison.server.connection_table import ConnectionTable
from face_comparison.server.phases import Phase
from face_comparison.server.waiting_room import Accepted, WaitingRoom

MOST = 80
SHARE = 10
PROBE = b"GET /livez HTTP/1.1\r\n"


class Open:
    """A connection in some phase, which notes that it was evicted."""

    is_rejected, bytes_per_second, byte_seconds, held_bytes = False, 0.0, 0.0, 0

    def __init__(self, table: ConnectionTable, caller: str, phase: Phase) -> None:
        self._table, self.caller, self.phase, self.since = table, caller, phase, 0.0
        table.join(caller)
        table.add(self)  # type: ignore[arg-type]

    def evict(self) -> None:
        before, self.phase = self.phase, Phase.CLOSED
        self._table.move(self, before)  # type: ignore[arg-type]

    abort = evict


@pytest.mark.parametrize("crowded", [Phase.BODY, Phase.IDLE, Phase.SENDING, Phase.HEAD])
@pytest.mark.parametrize("other", [Phase.NEW, Phase.LINGERING, Phase.IDLE, Phase.BODY])
def test_address_with_many_connections_makes_room(crowded: Phase, other: Phase) -> None:
    """Whatever its connections do, and however little the others' are worth."""
    table = ConnectionTable(MOST)
    others = [Open(table, f"address:{number}", other) for number in range(20)]
    crowd = [Open(table, "address:crowd", crowded) for _ in range(SHARE + 5)]
    for _ in range(5):
        assert table.evict_one(respond=True)
    assert all(each.phase is other for each in others)
    assert [each.phase for each in crowd].count(Phase.CLOSED) == 5
    assert table.count == len(others) + SHARE


def test_others_make_room_if_no_address_has_many() -> None:
    table = ConnectionTable(MOST)
    crowd = [Open(table, "address:crowd", Phase.BODY) for _ in range(SHARE)]
    idle = Open(table, "address:1", Phase.IDLE)
    assert table.evict_one(respond=True)
    assert idle.phase is Phase.CLOSED
    assert all(each.phase is Phase.BODY for each in crowd)


def test_others_make_room_if_all_of_crowd_are_processed() -> None:
    table = ConnectionTable(MOST)
    crowd = [Open(table, "address:crowd", Phase.HANDLING) for _ in range(2 * SHARE)]
    idle = Open(table, "address:1", Phase.IDLE)
    assert table.evict_one(respond=True)
    assert idle.phase is Phase.CLOSED
    assert all(each.phase is Phase.HANDLING for each in crowd)
    assert not table.evict_one(respond=True)


def test_ended_connections_leave_nothing() -> None:
    table = ConnectionTable(MOST)
    crowd: list[Any] = [Open(table, f"address:{number % 7}", Phase.BODY) for number in range(50)]
    for each in crowd:
        table.hold(each, 5)
    for each in crowd:
        table.hold(each, -5)
        each.evict()
        each.evict()  # a second time does not count
    assert table.count == 0
    assert not table._by_address
    assert not table.is_heavy("address:1")
    assert table._all.held_bytes == 0


def test_memory_of_request_whose_client_left_is_no_credit_to_its_address() -> None:
    """The application holds the body a while longer than the address has a connection."""
    table = ConnectionTable(MOST)
    gone: Any = Open(table, "address:1", Phase.HANDLING)
    table.hold(gone, 100)
    gone.evict()
    most, other = Open(table, "address:1", Phase.BODY), Open(table, "address:2", Phase.BODY)
    table.hold(gone, -gone.held_bytes)
    for each, amount in ((most, 50), (other, 10)):
        each.byte_seconds = float(amount)
        table.hold(each, amount)  # type: ignore[arg-type]
    other.byte_seconds = 1000.0
    assert table.largest() is most
    for each in (most, other):
        table.hold(each, -each.held_bytes)  # type: ignore[arg-type]
        each.evict()
    assert not table._by_address


@pytest.fixture
def clients() -> Iterator[Any]:
    """Creates accepted connections; `say` makes their clients send something."""
    with contextlib.ExitStack() as stack:

        def accept(caller: str, first: bytes = b"") -> Accepted:
            ours, theirs = socket.socketpair()
            stack.enter_context(ours)
            stack.enter_context(theirs)
            ours.setblocking(False)
            said[id(ours)] = theirs
            return Accepted(ours, ("x", 1), ("x", 2), caller, first)

        said: dict[int, socket.socket] = {}
        accept.say = lambda accepted, data: said[id(accepted.sock)].sendall(data)  # type: ignore[attr-defined]
        yield accept


def test_crowds_come_last_and_probes_before_other_requests(clients: Any) -> None:
    room = WaitingRoom(lambda caller: caller == "crowd")
    added = [
        clients("crowd"), clients("crowd", b"POST"), clients("a", b"POST"), clients("a"), clients("crowd", PROBE),
        clients("b", PROBE), clients("b", b"GET /"), clients("crowd", b"GET /"),
    ]  # fmt: skip
    for each in added:
        room.add(each)
    taken = [room.take() for _ in added]
    assert [added.index(each) for each in taken if each is not None] == [5, 6, 2, 3, 4, 7, 1, 0]
    assert room.take() is None


@pytest.mark.parametrize("flood", [b"", b"POST /", PROBE], ids=["silence", "requests", "probes"])
def test_flood_is_dropped_first_and_its_oldest(clients: Any, flood: bytes) -> None:
    """What others have sent is kept, and so are those who have not had the time to send anything."""
    room = WaitingRoom(lambda caller: caller == "crowd")
    light = [clients("a", first) for first in (b"", b"POST /", PROBE)]
    others = [clients("crowd", first) for first in (b"", b"POST /", PROBE) if first != flood]
    crowd = [clients("crowd", flood) for _ in range(6)]
    for each in (*light, *others, *crowd):
        room.add(each)
    assert [crowd.index(room.drop_of_crowd()) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert {id(room.drop()) for _ in range(3)} == {id(each) for each in (*others, crowd[5])}
    assert room.drop_of_crowd() is None
    assert {id(room.drop()) for _ in range(3)} == {id(each) for each in light}
    assert room.drop() is None


def test_silent_client_that_probes_later_comes_first(clients: Any) -> None:
    room = WaitingRoom(lambda caller: False)
    late: Accepted = clients("a")
    other: Accepted = clients("b", b"POST")
    room.add(late)
    room.add(other)
    clients.say(late, PROBE)
    room.listen()
    assert room.take() is late
    assert late.first == PROBE
    assert room.take() is other


def test_silent_client_that_probes_later_is_not_dropped(clients: Any) -> None:
    room = WaitingRoom(lambda caller: True)
    late, silent = clients("a"), clients("a")
    room.add(late)
    room.add(silent)
    clients.say(late, PROBE)
    assert room.drop() is silent
    assert room.take() is late
