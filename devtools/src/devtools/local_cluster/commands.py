"""Commands that run to their end, with their output or the reason why they failed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence


class NodeFailed(Exception):
    """The node cannot be started or used; the message says why and where its logs are."""


def run(
    command: Sequence[str], name: str, stdin: str | None, seconds: float, environment: dict[str, str] | None = None
) -> str:
    """Returns a command's output; raises NodeFailed with its name and the end of its output, or on a timeout."""
    try:
        result = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=seconds, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        raise NodeFailed(f"{name} did not exit within {seconds:.0f} s") from None
    if result.returncode:
        raise NodeFailed(f"{name}: {(result.stderr or result.stdout).strip()[-2000:]}")
    return result.stdout


def kill(pid: int) -> None:
    """Kills a process, if it still exists."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
