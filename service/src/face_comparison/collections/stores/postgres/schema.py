"""The schema of the database: its creation and migration, and the versions of pgvector that it needs."""

from __future__ import annotations

import re
import secrets

import psycopg

from face_comparison.collections.stores import columns, migrations
from face_comparison.collections.stores.postgres.queries import Connection, scalar
from face_comparison.errors import StoreUnavailable

SCHEMA = "face_comparison"
MIGRATION_LOCK = 7_014_312_091  # an arbitrary number that other programs do not use
OLDEST_PGVECTOR = (0, 5, 0)
"""Minimum version of pgvector; older ones have had no fixes since 2023 and are not tested."""

SAFE_HNSW = (0, 8, 4)
"""pgvector before 0.8.4 could leave an HNSW index corrupt after vacuuming (its changelog, 0.8.3 and 0.8.4)."""

_MIGRATION_LOCK_SECONDS = 5
"""How long a migration waits for running statements, while other statements queue behind it. If that is not enough, the
next call tries again."""


def migrate(connection: Connection, *, create: bool) -> tuple[int, str]:
    """Creates or migrates the schema; one process does so at a time.

    Args:
        connection: A connection within a transaction.
        create: Whether to create the tables if there are none.

    Returns:
        The versions of the schema and of pgvector.

    Raises:
        StoreUnavailable: The schema cannot be used.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
    connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{_MIGRATION_LOCK_SECONDS}s",))
    if not create and _is_empty(connection):
        raise StoreUnavailable(f"there are no collections in this database: {columns.CREATE_FIRST}")
    pgvector = check_pgvector(connection)
    _create_schema(connection)
    with_search_path(connection)
    try:
        return _migrate_schema(connection), pgvector
    except migrations.SchemaTooNew as error:
        raise StoreUnavailable(str(error)) from error


def _create_schema(connection: Connection) -> None:
    """Creates the schema if it is missing.

    IF NOT EXISTS is not used, because it requires the privilege even if the schema exists.
    """
    if not _is_empty(connection):
        return
    try:
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
    except psycopg.errors.InsufficientPrivilege as error:
        raise StoreUnavailable(
            "the role of the database of collections may not create its schema: let an administrator run "
            f"CREATE SCHEMA {SCHEMA} AUTHORIZATION and the role's name"
        ) from error


def check_pgvector(connection: Connection) -> str:
    """Installs pgvector if it is missing, and returns its version.

    Raises:
        StoreUnavailable: It cannot be installed, or is too old.
    """
    version = pgvector_version(connection)
    if version is None:
        try:
            connection.execute("CREATE EXTENSION vector")
        except psycopg.Error as error:
            raise StoreUnavailable(
                "the database of collections has no pgvector: let an administrator run CREATE EXTENSION vector"
            ) from error
        version = pgvector_version(connection) or ""
    if _parse_version(version) < OLDEST_PGVECTOR:
        raise StoreUnavailable(
            f"the database of collections has pgvector {version}, and at least {version_text(OLDEST_PGVECTOR)} is "
            "needed: install it, then let an administrator run ALTER EXTENSION vector UPDATE"
        )
    return version


def _is_empty(connection: Connection) -> bool:
    return scalar(connection, "SELECT 1 FROM pg_namespace WHERE nspname = %s", SCHEMA) is None


def is_hnsw_safe(version: str) -> bool:
    """Returns whether this version of pgvector has no known corruption of its HNSW index."""
    return _parse_version(version) >= SAFE_HNSW


def pgvector_version(connection: Connection) -> str | None:
    """Returns the version of pgvector in the database; None if it is not installed."""
    version = scalar(connection, "SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    return None if version is None else str(version)


def _migrate_schema(connection: Connection) -> int:
    known = migrations.scripts("postgres")
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL, oldest_reader integer)")
    row = connection.execute("SELECT version, oldest_reader FROM schema_version").fetchone()
    found = 0 if row is None else int(row[0])
    if row is not None:
        migrations.check_version(found, row[1], len(known))
    if found >= len(known):
        return found
    for script in known[found:]:
        connection.execute(script)
    connection.execute("DELETE FROM schema_version")
    connection.execute("INSERT INTO schema_version VALUES (%s, %s)", (len(known), migrations.OLDEST_READER))
    connection.execute("INSERT INTO secret VALUES ('subject', %s) ON CONFLICT DO NOTHING", (secrets.token_bytes(32),))
    return len(known)


def with_search_path(connection: Connection) -> Connection:
    """Sets the search path to our schema and the one where pgvector is installed."""
    connection.execute(
        "SELECT set_config('search_path', concat_ws(', ', %s::text, (SELECT quote_ident(nspname) FROM pg_extension"
        " JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'vector')), false)",
        (SCHEMA,),
    )
    return connection


def _parse_version(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def version_text(version: tuple[int, ...]) -> str:
    """Returns a version as text, for example `0.8.4`."""
    return ".".join(map(str, version))
