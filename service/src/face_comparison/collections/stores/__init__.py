"""Persists collections: an embedded store (SQLite) and PostgreSQL with pgvector, behind one protocol."""

from face_comparison.collections.stores.base import Store
from face_comparison.collections.stores.opening import open_store

__all__ = ["Store", "open_store"]
