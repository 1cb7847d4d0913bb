"""The base class of the parts of `CollectionService`: the store, the model, the clock, and the search thresholds."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from face_comparison.api.limits import HASH_SIZE
from face_comparison.collections import identifiers
from face_comparison.collections.calibration import StrangersCache, bundle_strangers
from face_comparison.collections.stores.base import RequestToken, Store
from face_comparison.collections.thresholds import Strangers, search_threshold
from face_comparison.collections.values import Collection, StoredFace
from face_comparison.errors import InvalidFaceHash, ModelMismatch
from face_comparison.vision import embedding
from face_comparison.vision.analyzer import ModelInfo

DEFAULT_MATCHES = 5


class ServiceBase:
    """See `CollectionService`."""

    def __init__(
        self,
        store: Store,
        model: Callable[[], ModelInfo],
        *,
        backup_days: int | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._model = model
        self._backup_days = backup_days
        self._clock = clock
        self._strangers = StrangersCache(store)

    def confidence(self, distance: float) -> float:
        """Returns the probability (0-1) that faces at this Euclidean distance are the same person, as in /compare."""
        model = self._model()
        return embedding.confidence(distance, model.threshold, model.scale)

    def distance_at_confidence(self, confidence: float) -> float:
        """Returns the Euclidean distance (0-2) with this confidence; the inverse of `confidence`."""
        model = self._model()
        return embedding.distance_at_confidence(confidence, model.threshold, model.scale)

    def subject(self, collection_id: str, user_id: str) -> str:
        """Returns a keyed digest of a UserId for the audit log, which is meaningless without the store's secret key."""
        text = f"{collection_id}\0{user_id}".encode()
        return hmac.new(self._store.subject_key(), text, hashlib.sha256).hexdigest()[:32]

    def request_token(self, operation: str, parameters: Mapping[str, Any], token: str | None) -> RequestToken | None:
        """Returns the token by which a store recognizes repetitions of a client's request; None if `token` is None."""
        if token is None:
            return None
        key = self._store.subject_key()

        def digest(text: bytes) -> bytes:
            return hmac.new(key, text, hashlib.sha256).digest()

        encoded = orjson.dumps(parameters, option=orjson.OPT_SORT_KEYS)
        return RequestToken(digest(f"{operation}\0{token}".encode()), digest(encoded), self._now())

    def check_usable(self, collection_id: str) -> Collection:
        """Returns the collection if its hashes are comparable with those of the running model.

        Raises:
            CollectionNotFound: There is no such collection.
            ModelMismatch: The collection contains hashes of another model.
        """
        return self._usable_collection(collection_id)

    def _now(self) -> datetime:
        return self._clock()

    def _usable_collection(self, collection_id: str) -> Collection:
        collection = self._store.get_collection(identifiers.check_collection_id(collection_id))
        version = self._model().version
        if collection.model_version != version:
            raise ModelMismatch(
                f"the collection {collection.name} contains hashes of {collection.model_version}, but this service "
                f"runs {version}: serve it with its own bundle, or enroll its people again"
            )
        return collection

    def _threshold(self, collection: Collection, gallery_size: int, rate: float | None = None) -> float:
        model = self._model()
        strangers = self._strangers_of(collection)
        effective_rate = collection.max_false_positive_rate if rate is None else rate
        return search_threshold(strangers, gallery_size, effective_rate, model.threshold).threshold

    def _faces_with_vectors(self, name: str, face_ids: Sequence[str]) -> list[StoredFace]:
        return self._store.list_faces(name, face_ids=face_ids, limit=len(face_ids), vectors=True)

    def _strangers_of(self, collection: Collection) -> Strangers:
        return self._strangers.of(collection, bundle_strangers(self._model()))


def trim(vectors: Any, width: int) -> NDArray[np.float32]:
    """Returns vectors (…, HASH_SIZE) without their padding, as the collection stores them: (…, width).

    Raises:
        InvalidFaceHash: The vectors have another length, or the padding is not zero.
    """
    found = np.asarray(vectors, np.float32)
    if found.size == 0:
        return np.empty((0, width), np.float32)
    if found.shape[-1] != HASH_SIZE or np.any(found[..., width:]):
        raise InvalidFaceHash(
            f"face_hash must be {HASH_SIZE} numbers; with this model, all after the first {width} are zero"
        )
    return np.ascontiguousarray(found[..., :width])


def stack_vectors(faces: Sequence[StoredFace], width: int = 0) -> NDArray[np.float32]:
    """Returns the vectors of the faces that have one, (N, width) float32."""
    found = [face.vector for face in faces if face.vector is not None]
    return np.stack(found) if found else np.empty((0, width), np.float32)
