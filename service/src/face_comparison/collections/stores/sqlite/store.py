"""The embedded store: SQLite for persistence, and a copy of the embeddings in the memory of each worker for searching.

It is durable (WAL, synchronous FULL), and searches are exact. Several workers on one machine may share the directory:
before each search, a worker reads which faces have changed since its previous search, in the same snapshot in which it
reads the results. Deleted data is overwritten (secure_delete), and the write-ahead log is truncated in the same call.
"""

from __future__ import annotations

from face_comparison.collections.stores.sqlite.collections import SqliteCollections
from face_comparison.collections.stores.sqlite.faces import SqliteFaces
from face_comparison.collections.stores.sqlite.maintenance import SqliteMaintenance
from face_comparison.collections.stores.sqlite.search import SqliteSearches
from face_comparison.collections.stores.sqlite.users import SqliteUsers


class SqliteStore(SqliteCollections, SqliteUsers, SqliteFaces, SqliteSearches, SqliteMaintenance):
    """See `Store`."""
