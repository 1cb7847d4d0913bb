"""Cancellation of the request that a thread is working on, for code that knows nothing about requests.

A caller that runs work for a request wraps it in `working_for`. The work calls `check` between two steps, and uses
`on_cancel` around a wait to say how the wait can be ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Protocol


class Cancellable(Protocol):
    """A request that may be cancelled from another thread."""

    def check(self) -> None:
        """Raises the reason for cancellation if the request has been cancelled."""
        ...

    def on_cancel(self, callback: Callable[[], None], /) -> AbstractContextManager[None]:
        """Calls `callback` from any thread if the request is cancelled within the context."""
        ...


_current: ContextVar[Cancellable | None] = ContextVar("request", default=None)


@contextmanager
def working_for(request: Cancellable) -> Iterator[None]:
    """Makes `request` the current request of the code within the context."""
    token = _current.set(request)
    try:
        yield
    finally:
        _current.reset(token)


def check() -> None:
    """Raises the reason for cancellation if the current request has been cancelled."""
    request = _current.get()
    if request is not None:
        request.check()


def on_cancel(callback: Callable[[], None]) -> AbstractContextManager[None]:
    """Calls `callback` from any thread if the current request is cancelled within the context."""
    request = _current.get()
    return nullcontext() if request is None else request.on_cancel(callback)
