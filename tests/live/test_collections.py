"""Collections over HTTP with several processes: two services on one database, and workers of one on a directory."""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3

from devtools.postgres import PostgresServer, running_postgres
from face_comparison.collections.stores import open_store
from face_comparison.collections.stores.migrations import scripts
from face_comparison.collections.values import User
from support.analyzer import MODEL, vector
from support.served import Served, serving, until
from support.vectors import NOW, collection, face

C = "/prod/face_comparison/collections"
FACES, CLIENTS = 400, 8
_numbers = itertools.count()

Start = Callable[..., Served]


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store."""
    if request.param == "sqlite":
        return f"sqlite:{tmp_path / 'store'}"
    return str(request.getfixturevalue("postgres").create_database(f"live{next(_numbers)}"))


@pytest.fixture
def start(url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a service on the store; several may run at once."""
    with ExitStack() as stack:

        def begin(**options: Any) -> Served:
            folder = tmp_path / f"service-{next(_numbers)}"
            folder.mkdir()
            return stack.enter_context(serving(folder, workers=2, threads=2, collections=url, **options)).wait_ready()

        yield begin


def call(service: Served, method: str, path: str, body: Any = None) -> Any:
    """Returns the response to one request on a new connection, so that any of the workers may respond."""
    headers = {"Connection": "close", "Content-Type": "application/json"}
    reply = service.session.request(
        method, service.url + path, body=None if body is None else json.dumps(body), headers=headers
    )
    assert reply.status == 200, reply.data
    return reply.json()


def hash_of(person: str) -> dict[str, Any]:
    return {"face_hash": vector(person).tolist(), "FaceModelVersion": MODEL.version}


def enroll(service: Served, person: str) -> Any:
    return call(service, "POST", f"{C}/staff/faces", {**hash_of(person), "UserId": person, "OnDuplicate": "allow"})


def who(service: Served, person: str) -> str | None:
    """Returns the person whom the service identifies."""
    [found] = call(service, "POST", f"{C}/staff/search", hash_of(person))["Faces"]
    return found["Matches"][0]["UserId"] if found["Decision"] == "match" else None


def test_enrollment_and_erasure_are_visible_to_other_services(start: Start) -> None:
    services = [start(), start()]
    call(services[0], "POST", C, {"CollectionId": "staff"})
    for number in range(12):
        one, other = services[number % 2], services[1 - number % 2]
        person = f"person-{number}"
        enroll(one, person)
        assert [who(each, person) for each in (other, one, other, one)] == [person] * 4
        if number % 2:
            receipt = call(other, "DELETE", f"{C}/staff/users/{person}")
            assert receipt["FaceCount"] == 1
            assert [who(each, person) for each in (one, other, one, other)] == [None] * 4
            described = call(one, "GET", f"{C}/erasures/{receipt['ErasureId']}")
            assert described["FaceCount"] == 1


def test_retention_is_applied_by_one_process(url: str, start: Start) -> None:
    store = open_store(url, max_faces=1000)
    store.create_collection(collection(retention_days=1, created=NOW - timedelta(days=9000)))
    old = NOW - timedelta(days=8000)  # by the services' clock, too
    store.add_faces("staff", [face(str(number), user=str(number), created=old) for number in range(50)])
    store.create_user("staff", User("guest", {}, expires=old, created=old))
    store.close()
    services = [start(), start()]
    until(lambda: call(services[0], "GET", f"{C}/staff")["FaceCount"] == 0, "old faces are purged")
    for service in services:
        service.signal(signal.SIGTERM)
        service.wait_end()
    purges = [line for each in services for line in each.lines if line.get("action") == "purge"]
    assert [(each["collection"], each["faces"], each["users"]) for each in purges] == [("staff", 50, 51)]


def test_killed_services_lose_no_acknowledged_enrollment(start: Start) -> None:
    services = [start(), start()]
    call(services[0], "POST", C, {"CollectionId": "staff"})
    acknowledged: set[str] = set()
    enough = threading.Event()

    def enroll_surely(person: str) -> None:
        """Enrolls like a client that retries without a response."""
        for attempt in itertools.count():
            try:
                reply = enroll(services[attempt % 2], person)
            except urllib3.exceptions.HTTPError:
                continue
            assert [each["Face"]["UserId"] for each in reply["FaceRecords"]] == [person]
            acknowledged.add(person)
            if len(acknowledged) == FACES // 8:
                enough.set()
            return

    people = [f"person-{number}" for number in range(FACES)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        doing = [pool.submit(enroll_surely, person) for person in people]
        assert enough.wait(60)
        os.killpg(services[0].process.pid, signal.SIGKILL)
        before = set(acknowledged)
        services[0] = start()
        for each in doing:
            each.result(120)
    assert FACES // 8 <= len(before) < FACES
    assert acknowledged == set(people)
    for service in services:
        assert call(service, "GET", f"{C}/staff")["FaceCount"] == FACES
    listed = call(services[0], "GET", f"{C}/staff/faces?MaxResults=4096")["Faces"]
    assert sorted(each["UserId"] for each in listed) == sorted(people)
    assert {person for person in people[::40] if who(services[1], person) != person} == set()


def test_schema_upgrade_with_both_versions_serving(url: str, start: Start) -> None:
    known = len(scripts("sqlite" if url.startswith("sqlite") else "postgres"))
    old = start()
    call(old, "POST", C, {"CollectionId": "staff"})
    enroll(old, "anna")
    done = threading.Event()

    def use(service: Served, name: str) -> int:
        for number in itertools.count():
            enroll(service, f"{name}-{number}")
            assert who(service, "anna") == "anna"
            if done.is_set():
                return number + 1
        raise AssertionError

    with ThreadPoolExecutor(4) as pool:
        users = [pool.submit(use, old, f"old-{number}") for number in range(2)]
        try:
            new = start(LIVE_NEWER=1)
            users += [pool.submit(use, new, f"new-{number}") for number in range(2)]
            until(lambda: schema(new) == known + 1, "the newer schema is reported")
        finally:
            done.set()
        count = sum(each.result(60) for each in users)
    for service in (old, new, start()):  # including one of the older version that starts now
        assert call(service, "GET", f"{C}/staff")["FaceCount"] == count + 1


def schema(service: Served) -> int:
    """Returns the schema that a service reports for its store; 0 without a response."""
    return int(call(service, "GET", "/readyz?verbose")["collections"].get("schema", 0))
