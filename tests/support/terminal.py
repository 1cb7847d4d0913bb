"""A program in its own terminal, with keys that can be pressed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import termios
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
LIMIT = 180


class Terminal:
    """A program in its own terminal."""

    def __init__(self, command: list[str], **environ: str) -> None:
        self._keyboard, screen = os.openpty()
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120", **environ},
            stdin=screen,
            stdout=screen,
            stderr=screen,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 (no threads in between matter)
        )
        os.close(screen)
        os.set_blocking(self._keyboard, False)
        self.shown = ""

    def shows(self, text: str) -> bool:
        with contextlib.suppress(BlockingIOError, OSError):  # OSError: the program has exited
            self.shown += os.read(self._keyboard, 65536).decode()
        return text in self.shown

    def wait_shows(self, text: str) -> None:
        end = time.monotonic() + LIMIT
        while not self.shows(text):
            assert self.process.poll() is None or self.shows(text), self.shown
            assert time.monotonic() < end, self.shown
            time.sleep(0.02)

    def press_ctrl_c(self) -> None:
        os.write(self._keyboard, b"\x03")

    def left(self) -> list[psutil.Process]:
        """Returns processes of this terminal that are still running."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
                if os.getsid(process.pid) == self.process.pid and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def close(self) -> None:
        for process in self.left():
            process.kill()
        self.process.wait(30)
        os.close(self._keyboard)
