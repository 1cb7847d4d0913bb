"""Concurrent enrollments with a crash in between: what was acknowledged is there, and nothing is there twice."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import pytest

from devtools.postgres import PostgresServer
from face_comparison.collections.stores import Store
from face_comparison.errors import StoreUnavailable
from support.enrolling import enroll
from support.vectors import collection, vector_of

FACES = 400
PROCESSES = 4


@contextmanager
def enrolling(url: str, numbers: list[int], stop_after: int = 0) -> Iterator[Connection]:
    receiver, sender = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("spawn")
    process: Any = context.Process(target=enroll, args=(url, numbers, sender, stop_after))
    process.start()
    sender.close()
    try:
        yield receiver
        process.join()
        assert process.exitcode == (-signal.SIGKILL if stop_after else 0)
    finally:
        process.kill()


def received(connection: Connection) -> list[int]:
    found = []
    while True:
        try:
            found.append(connection.recv())
        except EOFError:
            return found


def check_everything_is_there_once(store: Store, acknowledged: set[int]) -> None:
    stored = store.list_faces("staff", limit=4096)
    users = [int(str(each.user_id)) for each in stored]
    assert len(users) == len(set(users))
    assert acknowledged <= set(users)
    assert store.get_collection("staff").faces == len(users)
    for number in sorted(acknowledged)[::20]:
        [found] = store.nearest("staff", vector_of(str(number))[None], limit=1).neighbors[0]
        assert (found.face.user_id, found.distance) == (str(number), 0)


def test_killed_process_keeps_acknowledged_writes(store: Store, url: str) -> None:
    store.create_collection(collection())
    parts = [list(range(start, FACES, PROCESSES)) for start in range(PROCESSES)]
    with enrolling(url, parts[0], stop_after=30) as first, enrolling(url, parts[1]) as second:
        killed, whole = set(received(first)), set(received(second))
    assert len(killed) == 30
    assert whole == set(parts[1])
    check_everything_is_there_once(store, killed | whole)
    with enrolling(url, parts[0]) as again, enrolling(url, parts[2] + parts[3]) as rest:
        assert len(received(again)) + len(received(rest)) == FACES - len(parts[1])
    check_everything_is_there_once(store, set(range(FACES)))
    assert store.get_collection("staff").faces == FACES


@pytest.mark.parametrize("kind", ["postgresql"])
def test_killed_server_keeps_acknowledged_writes(
    store: Store, url: str, postgres: PostgresServer, opened: Callable[..., Store]
) -> None:
    store.create_collection(collection())
    with enrolling(url, list(range(200))) as one, enrolling(url, list(range(200, FACES))) as other:
        before = {one.recv() for _ in range(20)}
        postgres.kill()
        check_unavailable(store)
        postgres.start()
        acknowledged = before | set(received(one)) | set(received(other))
    assert acknowledged == set(range(FACES))
    check_everything_is_there_once(opened(), acknowledged)
    check_everything_is_there_once(store, acknowledged)


def check_unavailable(store: Store) -> None:
    store._connections._timeout = 1  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable):
        for _ in range(50):
            store.get_collection("staff")
            time.sleep(0.1)
