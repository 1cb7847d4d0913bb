"""Embeddings of fictitious people, and faces made from them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np
from numpy.typing import NDArray

from face_comparison.collections.values import Collection, StoredFace

WIDTH = 128
MODEL_VERSION = "fake-1"
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def random_vectors(count: int, seed: int = 0, width: int = WIDTH) -> NDArray[np.float32]:
    """Returns (count, width) float32 of norm 1: different people."""
    found = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def vector_of(person: str, photo: int = 0, noise: float = 0.3) -> NDArray[np.float32]:
    """Returns a person's face, (128,): photos of one person are near each other; photo 0 is the person's mean."""
    rng = np.random.default_rng(zlib.crc32(person.encode()))
    direction = rng.normal(size=WIDTH)
    if photo:
        direction += noise * np.random.default_rng([zlib.crc32(person.encode()), photo]).normal(size=WIDTH)
    return (direction / np.linalg.norm(direction)).astype(np.float32)


def collection(name: str = "staff", **changes: Any) -> Collection:
    return replace(Collection(name, MODEL_VERSION, WIDTH, 0.01, None, {}, NOW), **changes)


def face(
    name: str, *, user: str | None = None, vector: NDArray[np.float32] | None = None, **changes: Any
) -> StoredFace:
    """Returns a face whose IDs derive from its name: equal names are the same enrollment."""
    created = StoredFace(
        face_id=str(uuid5(NAMESPACE_OID, name)),
        user_id=user,
        external_image_id=None,
        image_id=None,
        box=None,
        confidence=None,
        created=NOW,
        source_key=sha256(name.encode()).digest(),
        vector=vector_of(name) if vector is None else vector,
    )
    return replace(created, **changes)


def ids(faces: Iterable[StoredFace]) -> set[str]:
    return {each.face_id for each in faces}
