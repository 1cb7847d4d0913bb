"""The phases of a connection and their time limits."""

from __future__ import annotations

import enum

FIRST_BYTE_SECONDS = 10.0
"""How long a new connection may be silent."""

HEAD_SECONDS = 10.0
"""How long a head may take to arrive."""

KEEPALIVE_SECONDS = 75.0
"""Longer than the 60 s for which common proxies keep idle connections: whoever closes last never races a request."""

LINGER_SECONDS = 2.0
"""How long a connection that is being closed may be silent: its client has read the reply, or never will."""

HALF_CLOSE_SECONDS = 1.0
"""How long a client that has closed its side may still be waiting for a reply: it looks like one that has left."""


class Phase(enum.Enum):
    """What a connection is doing, in the order in which connections are closed when there are too many."""

    NEW = "new"
    LINGERING = "lingering"
    DISCARDING = "discarding"
    HEAD = "head"
    IDLE = "idle"
    BODY = "body"
    SENDING = "sending"
    HANDLING = "handling"
    CLOSED = "closed"
