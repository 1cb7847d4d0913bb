"""The connections that all parts of the store share."""

from __future__ import annotations

from collections.abc import Callable

from face_comparison.collections.stores.postgres.connections import Connections


class PostgresBase:
    """See `Store`."""

    kind = "postgresql"

    def __init__(
        self,
        read_url: Callable[[], str],
        *,
        timeout: float,
        connections: int,
        index: str = "exact",
        create: bool = True,
    ) -> None:
        """See `Connections` for the arguments; `index` is `exact` or `hnsw`."""
        approximate = index == "hnsw"
        self._connections = Connections(
            read_url, timeout=timeout, size=connections, approximate=approximate, create=create
        )
        self._connection, self._transaction = self._connections.connection, self._connections.transaction
        self._indexed: set[int] = set()

    def close(self) -> None:
        self._connections.close()
