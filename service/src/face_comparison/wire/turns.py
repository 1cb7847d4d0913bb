"""Long parsing takes turns.

A parser in C holds Python's lock until it returns: some 5 ms per megabyte of a body that is made for it. One after the
other, the event loop is served between two of them. Dozens at once would pass the lock to each other, and the loop,
which asks for it again after every call to the kernel, would wait for all of them each time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from face_comparison import cancellation

LONG_BYTES = 2**20
"""What is shorter is parsed at once, in less time than a thread may keep the lock anyway."""

_turn = threading.RLock()


@contextmanager
def parsing(size: int) -> Iterator[None]:
    """Parse `size` bytes within the context, when it is this request's turn.

    Raises:
        FaceComparisonError: The request was cancelled meanwhile, or its time is over.
    """
    if size < LONG_BYTES:
        yield
        return
    with _turn:
        cancellation.check()
        yield
