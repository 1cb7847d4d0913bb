"""Translates errors of the database driver, without quoting values."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from face_comparison.collections.stores.postgres.schema import SCHEMA
from face_comparison.errors import StoreUnavailable

UNAVAILABLE = "the store of collections cannot be reached now: send the request again later"

_log = logging.getLogger(__name__)


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Raises StoreUnavailable for every error of the driver in the block."""
    try:
        yield
    except psycopg.Error as error:
        # The error's message is not logged, because it may quote values.
        state = getattr(error, "sqlstate", None)
        _log.warning("the store of collections failed: %s %s", type(error).__name__, state or "")
        raise StoreUnavailable(_meaning(error)) from error


def _meaning(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.DiskFull):
        return "the volume of the database of collections is full: make room on it, then send the request again"
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return f"the role of the database of collections lacks a right: it must own the schema {SCHEMA} and its tables"
    if isinstance(error, psycopg.OperationalError) and any(each in str(error) for each in _NOT_LET_IN):
        return "the database of collections does not let the service in: correct role, password and database of its URI"
    return UNAVAILABLE


_NOT_LET_IN = (
    "authentication failed",
    "no pg_hba.conf entry",
    "is not permitted to log in",
    "permission denied for database",
    '" does not exist',
)
"""Messages for a wrong role, password, or database; these errors have no code."""
