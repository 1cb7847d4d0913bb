"""An application with collections, on the embedded store and the fake analyzer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from face_comparison.collections.service import CollectionService
from face_comparison.collections.stores import open_store
from face_comparison.serving.collection_upkeep import CollectionUpkeep
from support.analyzer import NarrowAnalyzer
from support.collection_api import Api
from support.running import Running


@pytest.fixture
def begin(start: Callable[..., Running], tmp_path: Path) -> Iterator[Callable[..., Api]]:
    opened = []

    def begun(max_faces: int = 1000, **options: Any) -> Api:
        analyzer = NarrowAnalyzer()
        store = open_store(f"sqlite:{tmp_path / 'store'}", max_faces=max_faces)
        upkeep = CollectionUpkeep(CollectionService(store, lambda: analyzer.model, backup_days=7))
        opened.append(upkeep)
        return Api(start(analyzer=analyzer, upkeep=upkeep, collections="sqlite:/srv/faces", **options), upkeep)

    yield begun
    for upkeep in opened:
        upkeep.service.close()


@pytest.fixture
def api(begin: Callable[..., Api]) -> Api:
    api = begin()
    api.post("", CollectionId="staff")
    return api


KEYS = """
all:k-all
reader:k-search:search
clerk:k-enroll:enroll,search
eraser:k-erase:erase
boss:k-admin:admin
old:k-detect:detect
"""


@pytest.fixture
def closed(begin: Callable[..., Api], tmp_path: Path) -> Api:
    keys = tmp_path / "keys"
    keys.write_text(KEYS)
    return begin(auth="api-key", api_keys_file=str(keys))
