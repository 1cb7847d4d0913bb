"""Schema migrations of both stores: from the first schema on, by programs of two versions at the same time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

from face_comparison.collections.stores import Store
from face_comparison.collections.stores.migrations import scripts
from support.migrating import enroll_as, make_first
from support.vectors import face

SECONDS = 120
CONTEXT: Any = multiprocessing.get_context("spawn")


def finish(processes: list[Any]) -> None:
    try:
        for process in processes:
            process.join(SECONDS)
            assert process.exitcode == 0
    finally:
        for process in processes:
            process.kill()


def test_concurrent_starts_upgrade_schema_once(opened: Callable[..., Store], url: str, kind: str) -> None:
    first = CONTEXT.Process(target=make_first, args=(url, "first"))
    first.start()
    finish([first])
    names = ["old-1", "new-1", "old-2", "new-2"]
    ready = CONTEXT.Barrier(len(names))
    processes = [CONTEXT.Process(target=enroll_as, args=(url, name, "new" in name, ready)) for name in names]
    for process in processes:
        process.start()
    finish(processes)

    store = opened()  # of the present version, on the newer schema
    known = len(scripts("sqlite" if kind == "sqlite" else "postgres"))
    assert store.health()["schema"] == known + 1
    assert sorted(str(each.user_id) for each in store.list_faces("staff", limit=9)) == sorted([*names, "first"])
    assert store.get_collection("staff").faces == 5
    [added] = store.add_faces("staff", [face("later", user="later")])
    assert added.created
