"""Gives the event loop priority over computing threads when there are fewer cores than runnable threads.

The loop works for a fraction of a millisecond at a time, after each wait for a client and for Python's lock. With the
same priority as threads that compute all the time, it waits for its turn as often as that.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

NICENESS = 2
"""Above the loop's. It matters between the threads of a container, and hardly to other containers."""

_LOWEST = 19


def give_way() -> None:
    """Lowers the priority of this thread, and of those that it starts from now on, within the process. Linux only."""
    if sys.platform == "linux":  # elsewhere threads have no priority of their own
        thread = threading.get_native_id()
        with suppress(OSError):
            own = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, min(_LOWEST, own + NICENESS))
