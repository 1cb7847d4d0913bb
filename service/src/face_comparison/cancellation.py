"""The request that a thread works for, for code that knows nothing of requests and may have to end early for one.

Whoever runs work for a request says so with `working_for`. Between two steps the work calls `check`; around a wait it
says with `on_cancel` how the wait is ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Protocol


class Cancellable(Protocol):
    """A request that may be cancelled from another thread."""

    def check(self) -> None:
        """Raise why the request is to end early, if it is."""
        ...

    def on_cancel(self, callback: Callable[[], None], /) -> AbstractContextManager[None]:
        """Within the context, have `callback` called from any thread when the request is cancelled."""
        ...


_current: ContextVar[Cancellable | None] = ContextVar("request", default=None)


@contextmanager
def working_for(request: Cancellable) -> Iterator[None]:
    """Make `request` the one that the code within the context works for."""
    token = _current.set(request)
    try:
        yield
    finally:
        _current.reset(token)


def check() -> None:
    """Raise why the request at hand is to end early, if it is."""
    request = _current.get()
    if request is not None:
        request.check()


def on_cancel(callback: Callable[[], None]) -> AbstractContextManager[None]:
    """Within the context, have `callback` called from any thread when the request at hand is cancelled."""
    request = _current.get()
    return nullcontext() if request is None else request.on_cancel(callback)
