"""Gives the event loop priority over computing threads when there are fewer cores than runnable threads.

The loop runs for a fraction of a millisecond at a time, and waits for clients and for Python's lock in between. With
the same priority as threads that compute all the time, it would have to wait for its turn on a CPU each time.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

NICENESS = 2
"""How much higher the niceness of computing threads is than that of the event loop. It matters between the threads of a
container, but has hardly any effect on other containers."""

_LOWEST = 19


def give_way() -> None:
    """Lowers the priority of this thread, and of the threads that it starts from now on. Does nothing outside Linux."""
    if sys.platform == "linux":  # on other systems, a thread has no niceness of its own
        thread = threading.get_native_id()
        with suppress(OSError):
            own = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, min(_LOWEST, own + NICENESS))
