"""Where collections are kept: the embedded store (SQLite) and PostgreSQL with pgvector, behind one protocol."""

from face_comparison.collections.stores.base import Store
from face_comparison.collections.stores.opening import check_url, open_store

__all__ = ["Store", "check_url", "open_store"]
