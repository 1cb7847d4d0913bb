"""The type of connections, and queries for one value."""

from __future__ import annotations

from typing import Any

import psycopg

Connection = psycopg.Connection[tuple[Any, ...]]


def scalar(connection: Connection, query: str, *values: Any) -> Any:
    """Returns the first column of the first row; None if there is no row."""
    row = connection.execute(query, values or None).fetchone()
    return None if row is None else row[0]
