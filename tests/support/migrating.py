"""A process that uses a store like a program of another version, for tests of upgrades."""

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
    """Makes this process a program that knows only the first migrations, or an additional one."""
    original = migrations.scripts.__wrapped__

    def scripts(kind: Any) -> tuple[str, ...]:
        found: tuple[str, ...] = original(kind)[:first]
        return (*found, MORE[kind]) if more else found

    migrations.scripts = scripts  # type: ignore[assignment]


def enroll_as(url: str, name: str, more: bool, ready: Barrier) -> None:
    """Enrolls a face as the current version, or as one with an additional migration, once all are ready."""
    know(more=more)
    ready.wait(60)
    store = open_store(url, max_faces=1000, timeout=30)
    [added] = store.add_faces("staff", [face(name, user=name)])
    assert added.created
    [[found]] = store.nearest("staff", face(name).vector[None], limit=1).neighbors  # type: ignore[index]
    assert found.face.user_id == name
    store.close()


def make_first(url: str, name: str) -> None:
    """Creates a store with the first schema, and enrolls a face."""
    know(1)
    store = open_store(url, max_faces=1000)
    store.create_collection(collection())
    store.add_faces("staff", [face(name, user=name)])
    store.close()
