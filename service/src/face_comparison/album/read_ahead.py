"""Reads files before they are needed, so that the CPU does not wait for a bucket."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

AHEAD = 8
"""Maximum number of files that are being read or have been read ahead. A bucket responds in tens of milliseconds, which
is about the time to analyze an image."""


class ReadAhead:
    """Reads files ahead in several threads, in the order in which they will be requested. It is thread-safe.

    Use it as a context manager; calling it returns the content of a file.

    Args:
        read: Returns the content of a file.
        paths: The files, roughly in the order in which they will be requested. Other files are read on request.
        ahead: Maximum number of files that are being read or have been read beyond those that were requested.
    """

    def __init__(self, read: Callable[[Path], bytes], paths: Iterable[Path], ahead: int = AHEAD) -> None:
        self._read, self._remaining, self._ahead = read, iter(paths), ahead
        self._pool = ThreadPoolExecutor(ahead, thread_name_prefix="read-ahead")
        self._begun: dict[Path, Future[bytes]] = {}
        self._before_turn: set[Path] = set()
        self._lock = threading.Lock()

    def __call__(self, path: Path) -> bytes:
        """Returns the content of a file. Raises what `read` raises."""
        with self._lock:
            self._begin()
            future = self._begun.pop(path, None)
            if future is None:
                self._before_turn.add(path)
            self._begin()
        return self._read(path) if future is None else future.result()

    def _begin(self) -> None:
        while len(self._begun) < self._ahead and (path := next(self._remaining, None)) is not None:
            if path in self._before_turn:  # nobody would ask for it again
                self._before_turn.remove(path)
            else:
                self._begun[path] = self._pool.submit(self._read, path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
