"""Parses large bodies one at a time.

A parser written in C holds Python's global interpreter lock (GIL) until it returns: about 5 ms per megabyte of a
crafted body. When bodies are parsed one at a time, the event loop runs between them. Dozens of threads parsing at once
would pass the lock among themselves, and the event loop, which has to reacquire the lock after every system call, would
wait for all of them each time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from face_comparison import cancellation

LONG_BYTES = 2**20
"""Minimum size of a large body. Smaller bodies are parsed immediately: that takes less time than a thread may hold the
lock anyway."""

_turn = threading.RLock()


@contextmanager
def parsing(size: int) -> Iterator[None]:
    """Waits until it is this request's turn to parse `size` bytes, which the `with` block then does.

    Raises:
        FaceComparisonError: The request was cancelled, or its deadline has passed.
    """
    if size < LONG_BYTES:
        yield
        return
    with _turn:
        cancellation.check()
        yield
