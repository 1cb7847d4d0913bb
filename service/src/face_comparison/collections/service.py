"""The public interface of collections: combines the decisions of pure modules with the store. Independent of HTTP.

Methods raise errors of `face_comparison.errors`: CollectionNotFound, UserNotFound, FaceNotFound, InvalidParameter,
CollectionExists, UserExists, ModelMismatch, CollectionFull, and StoreUnavailable. They validate their arguments, so
callers do not need to. A method returns after its changes have been committed.
"""

from __future__ import annotations

from face_comparison.collections.administration import DEFAULT_RATE, Administration
from face_comparison.collections.enrolling import Enrolling
from face_comparison.collections.moving import IMPORT_BATCH, Moving
from face_comparison.collections.searching import Searching
from face_comparison.collections.service_base import DEFAULT_MATCHES

__all__ = ["DEFAULT_MATCHES", "DEFAULT_RATE", "IMPORT_BATCH", "CollectionService"]


class CollectionService(Administration, Enrolling, Searching, Moving):
    """The collections of one store, searched with one model. Thread-safe.

    Args:
        store: Persists the data.
        model: Returns the running model. It is called each time, because a service starts before its model is loaded.
        backup_days: Number of days for which backups of the store are kept, which receipts state.
        clock: Returns the current time in UTC.
    """
