"""Serializes the parsing of large bodies.

A parser written in C holds Python's interpreter lock until it returns: about 5 ms per megabyte of a crafted body. If
bodies are parsed one at a time, the event loop runs between two of them. Dozens at once would pass the lock among
themselves, and the loop, which needs the lock again after every system call, would wait for all of them each time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from face_comparison import cancellation

LONG_BYTES = 2**20
"""Smaller bodies are parsed immediately, in less time than a thread may hold the lock anyway."""

_turn = threading.RLock()


@contextmanager
def parsing(size: int) -> Iterator[None]:
    """Enters the context when it is this request's turn to parse `size` bytes.

    Raises:
        FaceComparisonError: The request was cancelled, or its deadline has passed.
    """
    if size < LONG_BYTES:
        yield
        return
    with _turn:
        cancellation.check()
        yield
