"""The store for PostgreSQL with pgvector."""

from face_comparison.collections.stores.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
