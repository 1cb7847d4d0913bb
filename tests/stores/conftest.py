"""Both stores, each as two processes would see it: `store` and `other` share the same data."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devtools.postgres import PostgresServer, running_postgres
from face_comparison.collections.stores import Store, open_store
from support.vectors import collection

KINDS = ("sqlite", "postgresql")
_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """An empty store."""
    if kind == "sqlite":
        return f"sqlite:{tmp_path / 'store'}"
    return str(request.getfixturevalue("postgres").create_database(f"test{next(_numbers)}"))


@pytest.fixture
def opened(url: str) -> Iterator[Callable[..., Store]]:
    """Open the store once more, as another process would."""
    stores = []

    def open_again(max_faces: int = 1000, **options: object) -> Store:
        stores.append(open_store(url, max_faces=max_faces, timeout=20, **options))  # type: ignore[arg-type]
        return stores[-1]

    yield open_again
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[..., Store]) -> Store:
    return opened()


@pytest.fixture
def other(opened: Callable[..., Store]) -> Store:
    return opened()


@pytest.fixture
def staff(store: Store) -> Store:
    store.create_collection(collection())
    return store
