"""Schema migrations: numbered SQL files, applied in order within one transaction, by one process at a time.

Migrations only add to the schema and never change the meaning of existing data, so that pods of the previous version
keep working during a rolling upgrade. A migration that must break this rule increases OLDEST_READER; older programs
then report that the store is too new for them.
"""

from __future__ import annotations

import sqlite3
import uuid
from functools import cache
from importlib import resources
from typing import Literal

OLDEST_READER = 1
"""The oldest program, given by its number of migrations, that can use the current schema."""


def new_id() -> str:
    """Returns a random UUID, as text."""
    return str(uuid.uuid4())


class SchemaTooNew(Exception):
    """The store was migrated by a newer, incompatible program."""


@cache
def scripts(kind: Literal["sqlite", "postgres"]) -> tuple[str, ...]:
    """Returns the SQL of every migration of a store, in order; the first creates version 1 in an empty database."""
    folder = resources.files(__package__) / kind
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".sql"))
    return tuple((folder / name).read_text("utf-8") for name in names)


def check_version(found: int, oldest_reader: int, known: int) -> None:
    """Checks that this program can use the schema of a store.

    Args:
        found: Version of the store's schema.
        oldest_reader: The store's OLDEST_READER.
        known: Number of migrations that this program knows.

    Raises:
        SchemaTooNew: The program is older than `oldest_reader`.
    """
    if oldest_reader > known:
        raise SchemaTooNew(
            f"the store has schema {found}, which this version (schema {known}) cannot use: upgrade the service"
        )


def migrate_sqlite(connection: sqlite3.Connection) -> int:
    """Migrates a database to the latest schema within the caller's write transaction.

    Returns:
        The version of the schema.

    Raises:
        SchemaTooNew: The store was migrated by a newer, incompatible program.
    """
    known = scripts("sqlite")
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL, oldest_reader INTEGER)")
    row = connection.execute("SELECT version, oldest_reader FROM schema_version").fetchone()
    found = 0 if row is None else row[0]
    if row is not None:
        check_version(found, row[1], len(known))
    if found >= len(known):
        return int(found)
    for script in known[found:]:
        for statement in statements(script):
            connection.execute(statement)
    connection.execute("DELETE FROM schema_version")
    connection.execute("INSERT INTO schema_version VALUES (?, ?)", (len(known), OLDEST_READER))
    return len(known)


def statements(script: str) -> list[str]:
    """Splits a script into statements, without comments; semicolons within statements are not supported."""
    lines = [line for line in script.splitlines() if not line.lstrip().startswith("--")]
    return [each.strip() for each in "\n".join(lines).split(";") if each.strip()]
