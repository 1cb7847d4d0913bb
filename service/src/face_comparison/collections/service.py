"""The public interface of collections: decisions of the pure modules, data of the store. Independent of HTTP.

Methods raise errors of `face_comparison.errors`: CollectionNotFound, UserNotFound, FaceNotFound, InvalidParameter,
CollectionExists, UserExists, ModelMismatch, CollectionFull, and StoreUnavailable. Arguments are validated here, so
callers need not. A method returns after the commit.
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
        model: Returns the running model. Called every time, because a service starts before its model is loaded.
        backup_days: How long backups of the store are kept, stated in receipts.
        clock: Returns the current time, UTC.
    """
