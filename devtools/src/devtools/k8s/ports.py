"""Finds free ports for programs whose port must be chosen before they bind it."""

from __future__ import annotations

import os
import random
import socket

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
RANGE = range(20_000 + 1000 * (WORKER % 12), 21_000 + 1000 * (WORKER % 12))
"""Below what Linux gives to programs that ask for any port (from 32,768), and for each worker of the tests its own: so
that nobody else takes one before it is bound."""


def free_ports(count: int) -> list[int]:
    """Returns different ports of the loopback address on which nothing listens now."""
    found: list[int] = []
    for port in random.sample(RANGE, len(RANGE)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"fewer than {count} ports of {RANGE.start} to {RANGE.stop - 1} are free")
