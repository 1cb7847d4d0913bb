"""Shows a progress bar on stderr for each file that a command downloads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import click


@contextmanager
def bars() -> Iterator[Callable[[str, int, int], None]]:
    """Yields a progress function that takes a file's name, the bytes received, and the total bytes (0 if unknown)."""
    tasks: dict[str, Any] = {}
    with ExitStack() as open_bars:

        def progress(name: str, received: int, total: int) -> None:
            if name not in tasks:
                open_bars.close()  # the previous file's bar
                bar: Any = click.progressbar(length=total or None, label=name, file=sys.stderr)
                tasks[name] = open_bars.enter_context(bar)
            tasks[name].update(received - tasks[name].pos)

        yield progress
