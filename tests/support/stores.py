"""Calls of a store, with defaults for what a test is not about."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from devtools.k8s.controlplane import attempts
from face_comparison.collections.stores import Store
from face_comparison.collections.stores.base import ErasureRequest
from face_comparison.collections.values import Neighbor, User
from face_comparison.errors import StoreUnavailable
from support.vectors import NOW


def erasure(subject: str = "") -> ErasureRequest:
    return ErasureRequest(str(uuid4()), subject, NOW, NOW + timedelta(days=30))


def erasure_without_backups() -> ErasureRequest:
    return ErasureRequest(str(uuid4()), "", NOW, None)


def user(user_id: str, **changes: Any) -> User:
    return replace(User(user_id, {}, None, NOW), **changes)


def nearest(store: Store, vector: Any, limit: int = 5, **options: Any) -> list[Neighbor]:
    return list(store.nearest("staff", np.atleast_2d(vector), limit=limit, **options).neighbors[0])


def wait_until_available(store: Store, call: Callable[[], object] | None = None) -> None:
    for _ in attempts(30, pause=0.1):
        with suppress(StoreUnavailable):
            call() if call else store.get_collection("staff")
            return
    pytest.fail("the store did not become available")
