"""A look at one resource, where what matters is what comes between; everything else is tested on a real API server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from face_comparison_operator.api_resources import RESOURCE, Kind
from face_comparison_operator.cache import Key, Store
from face_comparison_operator.reconcile import Reconciler
from face_comparison_operator.settings import Settings

KEY = ("ns", "faces")


def body(version: int, generation: int) -> dict[str, Any]:
    metadata = {"name": "faces", "namespace": "ns", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    # Whose spec cannot be read has no children: the look is its status alone.
    return {
        "metadata": {**metadata, "resourceVersion": str(version), "generation": generation},
        "spec": {"replicas": "x"},
    }


class Written:
    """A cluster that takes a status, in which the resource has come to some version."""

    def __init__(self, version: int, generation: int) -> None:
        self.answer = body(version, generation)

    async def write_status(self, namespace: str, name: str, uid: str, status: dict[str, Any]) -> dict[str, Any]:
        del namespace, name, uid
        return {**self.answer, "status": status}

    async def create(self, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
        del kind
        return body


class Unheard:
    def deployed(self, seconds: float) -> None: ...
    def conditions(self, key: Key, conditions: Any) -> None: ...


def looks_again(generation: int) -> list[Key]:
    """What asks for another look after the status of generation 1 was written, and returned with `generation`."""
    store, again = Store(), list[Key]()
    store.put(RESOURCE, body(9, 1))

    async def ask(*_: object) -> Any:
        raise AssertionError("there is no route to ask")

    reconciler = Reconciler(
        Written(11, generation),  # type: ignore[arg-type]  # what is not needed here is not there
        store,
        Settings(),
        ask=ask,
        again=again.append,
        listener=Unheard(),
        now=lambda: datetime.now(UTC),
        clock=lambda: 100.0,
    )
    asyncio.run(reconciler.reconcile(KEY))
    # The watch, which comes last, has nothing that is newer than the answer.
    assert store.put(RESOURCE, body(10, generation)) is None
    return again


def test_a_change_that_the_status_overtook_is_looked_at() -> None:
    assert looks_again(2) == [KEY]
    assert looks_again(1) == []
