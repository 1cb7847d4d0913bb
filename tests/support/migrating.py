"""A process that uses a store as a program of another version would, for tests of upgrades."""

from __future__ import annotations

from multiprocessing.synchronize import Barrier
from typing import Any

from face_comparison.collections.stores import migrations, open_store
from support.vectors import collection, face

MORE = {
    "sqlite": "ALTER TABLE face ADD COLUMN note TEXT;\nCREATE INDEX face_note ON face (note)",
    "postgres": "ALTER TABLE face ADD COLUMN note text;\nCREATE INDEX face_note ON face (note)",
}
"""What a later version might add."""


def know(first: int | None = None, *, more: bool = False) -> None:
    """Make this process a program that knows only the first migrations, or one more than there are."""
    original = migrations.scripts.__wrapped__

    def scripts(kind: Any) -> tuple[str, ...]:
        found: tuple[str, ...] = original(kind)[:first]
        return (*found, MORE[kind]) if more else found

    migrations.scripts = scripts  # type: ignore[assignment]


def enroll_as(url: str, name: str, more: bool, ready: Barrier) -> None:
    """Enroll a face as the present version, or as one with one more migration, when all are ready."""
    know(more=more)
    ready.wait(60)
    store = open_store(url, max_faces=1000, timeout=30)
    [added] = store.add_faces("staff", [face(name, user=name)])
    assert added.created
    [[found]] = store.nearest("staff", face(name).vector[None], limit=1).neighbors  # type: ignore[index]
    assert found.face.user_id == name
    store.close()


def make_first(url: str, name: str) -> None:
    """Make a store with the first schema, and enroll a face."""
    know(1)
    store = open_store(url, max_faces=1000)
    store.create_collection(collection())
    store.add_faces("staff", [face(name, user=name)])
    store.close()
