"""The embedded store: SQLite, and a copy of the embeddings in the memory of each worker."""

from face_comparison.collections.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
