"""Charges memory to the request that a thread is working on, for code that knows nothing about requests.

The server has charged every body twice: for itself, and for a copy. Parsers that need more say so here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

BODY_COPIES = 2
"""How many times the server has charged a body."""

_charge: ContextVar[Callable[[int], None] | None] = ContextVar("charge", default=None)


@contextmanager
def charged_by(charge: Callable[[int], None]) -> Iterator[None]:
    """Makes `charge` the function that charges memory to the current request within the context."""
    token = _charge.set(charge)
    try:
        yield
    finally:
        _charge.reset(token)


def charge(amount: int) -> None:
    """Charges `amount` bytes to the current request until it ends. Call it before allocating them.

    Raises:
        BodyTooLarge: The service never has that much memory.
        Overloaded: Not enough memory is free.
    """
    charge_request = _charge.get()
    if charge_request is not None:
        charge_request(amount)
