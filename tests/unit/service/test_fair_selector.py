"""The event loop handles a few events per turn, and those of new connections first."""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Iterator

import pytest

from face_comparison.server.fair_selector import FEWEST_EVENTS, MOST_EVENTS, TURN_SECONDS, FairSelector

CROWD = 300


@pytest.fixture
def crowd() -> Iterator[tuple[FairSelector, list[socket.socket]]]:
    """A selector and sockets that are ready to be read, in the order of their registration."""
    with contextlib.ExitStack() as stack, FairSelector() as selector:
        sockets = []
        for _ in range(CROWD):
            ours, theirs = socket.socketpair()
            stack.enter_context(ours)
            stack.enter_context(theirs)
            theirs.sendall(b"x")
            sockets.append(ours)
        for each in sockets:
            selector.register(each, selectors.EVENT_READ)
        yield selector, sockets


def test_turn_has_few_events(crowd: tuple[FairSelector, list[socket.socket]]) -> None:
    events = crowd[0].select(0)
    assert len(events) == len({key.fd for key, _ in events}) == MOST_EVENTS


def test_listener_and_newest_connection_are_in_every_turn(crowd: tuple[FairSelector, list[socket.socket]]) -> None:
    selector, sockets = crowd
    for _ in range(20):
        chosen = {key.fileobj for key, _ in selector.select(0)}
        assert sockets[0] in chosen
        assert sockets[-1] in chosen


def test_new_connection_comes_first_whatever_number_its_file_had(
    crowd: tuple[FairSelector, list[socket.socket]],
) -> None:
    selector, sockets = crowd
    for each in sockets[CROWD // 4 : CROWD // 2]:
        selector.note_new(each.fileno())
    assert sockets[CROWD // 2 - 1] in {key.fileobj for key, _ in selector.select(0)}


def test_registering_again_makes_nobody_new(crowd: tuple[FairSelector, list[socket.socket]]) -> None:
    """It happens whenever reading resumes: a crowd that pipelines requests would come before everybody else."""
    selector, sockets = crowd
    for each in sockets[:-1]:
        selector.unregister(each)
        selector.register(each, selectors.EVENT_READ)
    for _ in range(20):
        assert sockets[-1] in {key.fileobj for key, _ in selector.select(0)}


def test_long_turns_have_fewer_events(crowd: tuple[FairSelector, list[socket.socket]]) -> None:
    selector, _ = crowd
    now = 0.0
    selector._clock = lambda: now

    def events_after_turns(count: int, seconds: float) -> int:
        nonlocal now
        for _ in range(count):
            now += seconds
            events = selector.select(0)
        return len(events)

    assert events_after_turns(10, 2 * TURN_SECONDS) == FEWEST_EVENTS
    assert events_after_turns(3, TURN_SECONDS / 4) == FEWEST_EVENTS + 3
    assert events_after_turns(100, TURN_SECONDS / 4) == MOST_EVENTS


def test_every_connection_has_its_turn(crowd: tuple[FairSelector, list[socket.socket]]) -> None:
    selector, _ = crowd
    seen: set[object] = set()
    for _ in range(2_000):
        seen |= {key.fileobj for key, _ in selector.select(0)}
        if len(seen) == CROWD:
            return
    pytest.fail(f"{CROWD - len(seen)} of {CROWD} were never served")


def test_few_events_are_returned_at_once(crowd: tuple[FairSelector, list[socket.socket]]) -> None:
    selector, sockets = crowd
    for each in sockets[MOST_EVENTS:]:
        selector.unregister(each)
    assert len(selector.select(0)) == MOST_EVENTS


def test_processor_time_of_turns_is_reported() -> None:
    times = iter([1.0, 1.25, 5.0, 5.5, 9.0])
    turns: list[float] = []
    with FairSelector(turns.append, clock=lambda: next(times)) as selector:
        for _ in range(3):
            selector.select(0)
    assert turns == [0.25, 0.5]
