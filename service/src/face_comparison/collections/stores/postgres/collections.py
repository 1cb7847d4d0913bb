"""Collections as a whole, in PostgreSQL."""

from __future__ import annotations

from psycopg.types.json import Jsonb

from face_comparison.collections.stores import columns
from face_comparison.collections.stores.base import ErasureRequest
from face_comparison.collections.stores.postgres import rows
from face_comparison.collections.stores.postgres.base import PostgresBase
from face_comparison.collections.stores.postgres.neighbors import index_name
from face_comparison.collections.values import Collection, Erasure


class PostgresCollections(PostgresBase):
    """See `Store`."""

    def create_collection(self, collection: Collection) -> None:
        with self._transaction() as connection:
            row = connection.execute(
                "INSERT INTO collection (name, model_version, width, max_false_positive_rate, retention_days, metadata,"
                " created) VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id",
                (
                    collection.name,
                    collection.model_version,
                    collection.width,
                    collection.max_false_positive_rate,
                    collection.retention_days,
                    Jsonb(collection.metadata),
                    collection.created,
                ),
            ).fetchone()
            if row is None:
                raise columns.collection_exists(collection.name)

    def get_collection(self, name: str, *, count_users: bool = False) -> Collection:
        with self._connection() as connection:
            return rows.find(connection, name, count_users=count_users)[1]

    def list_collections(self, after: str, limit: int) -> list[Collection]:
        with self._connection() as connection:
            found = connection.execute(
                f"SELECT {columns.COLLECTION}, {columns.COUNT_USERS} FROM collection WHERE name > %s"
                " ORDER BY name LIMIT %s",
                (after, limit),
            )
            return [rows.read_collection(row) for row in found]

    def delete_collection(self, name: str, request: ErasureRequest) -> Erasure:
        with self._transaction() as connection:
            key, _ = rows.find(connection, name, lock=True)
            count = connection.execute("DELETE FROM face WHERE collection_id = %s", (key,)).rowcount
            connection.execute("DELETE FROM person WHERE collection_id = %s", (key,))
            connection.execute("DELETE FROM collection WHERE id = %s", (key,))
            connection.execute(f"DROP INDEX IF EXISTS {index_name(key)}")
            return rows.record(connection, name, count, request)
