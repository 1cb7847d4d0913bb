"""A bar on stderr for each file that a command downloads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import click


@contextmanager
def bars() -> Iterator[Callable[[str, int, int], None]]:
    """Yields a function that takes the name of a file, the bytes received, and the total (0: not known)."""
    shown: dict[str, Any] = {}
    with ExitStack() as open_bars:

        def progress(name: str, received: int, total: int) -> None:
            if name not in shown:
                open_bars.close()  # of the file before
                bar: Any = click.progressbar(length=total or None, label=name, file=sys.stderr)
                shown[name] = open_bars.enter_context(bar)
            shown[name].update(received - shown[name].pos)

        yield progress
