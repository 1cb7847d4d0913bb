"""Selects the impostor distribution for search thresholds: the bundle's, or one measured on the collection itself."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from face_comparison.collections.stores.base import Store
from face_comparison.collections.thresholds import (
    MIN_PEOPLE,
    SAMPLE_FACES,
    Strangers,
    measure_strangers,
    take_over,
    with_tail,
)
from face_comparison.collections.values import Collection
from face_comparison.vision.analyzer import ModelInfo
from face_comparison.vision.bundle import Strangers as StatedStrangers

UNMEASURED = Strangers(mean=0.109, deviation=0.096, pairs=45)
"""The distribution for bundles without measured strangers: that of the default bundle, measured on ten people
(docs/data/accuracy.json)."""

_GROWTH = 0.1
"""A collection is remeasured when its number of faces has changed by this fraction."""


def bundle_strangers(model: ModelInfo) -> Strangers:
    """Returns the distribution in the bundle's manifest."""
    return UNMEASURED if model.strangers is None else stated_strangers(model.strangers)


def stated_strangers(stated: StatedStrangers) -> Strangers:
    """Returns the distribution of a manifest, widened to match the tail of its quantiles."""
    # Several images of the same two people are not independent pairs.
    pairs = min(stated.pairs, stated.people * (stated.people - 1) // 2)
    tails = [(quantile.fraction, quantile.distance) for quantile in stated.quantiles]
    return with_tail(Strangers(stated.cosine_mean, stated.cosine_deviation, pairs), tails)


@dataclass(frozen=True, slots=True)
class _Measured:
    faces: int
    strangers: Strangers | None


class StrangersCache:
    """Measures and caches the distributions of large collections. Thread-safe.

    The people in one collection may resemble each other more than the few people on whom the bundle was measured.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._measured: dict[tuple[str, float], _Measured] = {}

    def of(self, collection: Collection, bundle: Strangers) -> Strangers:
        """Returns the distribution to use for searches of a collection."""
        if collection.faces < MIN_PEOPLE:
            return bundle
        key = (collection.name, collection.created.timestamp())
        with self._lock:
            known = self._measured.get(key)
        if known is None or abs(collection.faces - known.faces) > _GROWTH * known.faces:
            known = _Measured(collection.faces, self._measure(collection))
            with self._lock:
                self._measured[key] = known
        return bundle if known.strangers is None else take_over(bundle, known.strangers)

    def _measure(self, collection: Collection) -> Strangers | None:
        # FaceIds are random, so the first ones are a random sample that is the same in every process.
        faces = self._store.list_faces(collection.name, limit=SAMPLE_FACES, vectors=True)
        named = [face for face in faces if face.user_id is not None and face.vector is not None]
        if len(named) < MIN_PEOPLE:
            return None
        vectors = np.stack([face.vector for face in named if face.vector is not None])
        return measure_strangers(vectors, [str(face.user_id) for face in named])
