"""The phases of a connection and their time limits."""

from __future__ import annotations

import enum

FIRST_BYTE_SECONDS = 10.0
"""Maximum time until the first byte on a new connection."""

HEAD_SECONDS = 10.0
"""Maximum time for a request head to arrive."""

KEEPALIVE_SECONDS = 75.0
"""How long an idle connection is kept open. It is longer than the 60 s for which common proxies keep idle connections,
so that the proxy closes first and the server never closes a connection on which a request is on its way."""

LINGER_SECONDS = 2.0
"""How long a connection that is being closed may be silent: after that, its client has read the response, or never
will."""

HALF_CLOSE_SECONDS = 1.0
"""How long to assume that a client that has closed its side still waits for the response; it cannot be distinguished
from one that has disconnected."""


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
