"""The store for PostgreSQL with pgvector. Searches run in the database, so pods are stateless.

Searches are exact unless `--collections-index hnsw` enables an approximate index. Every change of a collection's faces
first locks the collection's row, which keeps counts correct and prevents deadlocks. The schema is migrated on the first
connection, under an advisory lock.
"""

from __future__ import annotations

from face_comparison.collections.stores.postgres.collections import PostgresCollections
from face_comparison.collections.stores.postgres.faces import PostgresFaces
from face_comparison.collections.stores.postgres.maintenance import PostgresMaintenance
from face_comparison.collections.stores.postgres.search import PostgresSearches
from face_comparison.collections.stores.postgres.users import PostgresUsers


class PostgresStore(PostgresCollections, PostgresUsers, PostgresFaces, PostgresSearches, PostgresMaintenance):
    """See `Store`."""
