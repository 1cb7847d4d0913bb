"""Collections as callers use them: decisions from the pure modules, data from the store. Free of HTTP.

Every method raises the errors of `face_comparison.errors`: CollectionNotFound, UserNotFound, FaceNotFound,
InvalidParameter, CollectionExists, UserExists, ModelMismatch, CollectionFull and StoreUnavailable. Ids are checked
here, so that no caller needs to. A method returns after the commit.
"""

from __future__ import annotations

from face_comparison.collections.administration import DEFAULT_RATE, Administration
from face_comparison.collections.enrolling import Enrolling
from face_comparison.collections.moving import IMPORT_BATCH, Moving
from face_comparison.collections.searching import Searching
from face_comparison.collections.service_base import DEFAULT_MATCHES

__all__ = ["DEFAULT_MATCHES", "DEFAULT_RATE", "IMPORT_BATCH", "CollectionService"]


class CollectionService(Administration, Enrolling, Searching, Moving):
    """The collections of one store, searched with one model; safe from any thread.

    model: what runs at the moment; it is asked at every call, because a service starts before its model is loaded.
    backup_days: how long backups of the store are kept, stated in receipts. clock: the current time, UTC.
    """
