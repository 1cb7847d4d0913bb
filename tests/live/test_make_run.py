"""`make run` in a terminal, as a newcomer has it: ready, an example, and a clean end by Ctrl-C."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import urllib3

from support.served import until

ROOT = Path(__file__).parents[2]
LIMIT = 180


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, command: list[str]) -> None:
        self._keyboard, screen = os.openpty()
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
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
        with contextlib.suppress(BlockingIOError, OSError):  # OSError: the program has ended
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
        """Processes of this terminal that still run."""
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


@pytest.fixture
def make_run() -> Iterator[Terminal]:
    terminal = Terminal(["make", "--no-print-directory", "run", "PORT=0"])
    yield terminal
    terminal.close()


def test_it_compares_a_pair_says_what_to_try_and_ends_by_ctrl_c(make_run: Terminal) -> None:
    make_run.wait_shows("Ctrl-C stops it.")
    assert re.search(r"POST http://127\.0\.0\.1:\d+/prod/face_comparison", make_run.shown)
    assert re.search(r"obama\.jpg +obama2\.jpg +same person +distance 0\.\d\d +probability 99\.\d %", make_run.shown)
    assert re.search(r"obama\.jpg +biden\.jpg +different people +distance 1\.\d\d", make_run.shown)

    ((endpoint, photograph),) = re.findall(
        r"curl -s (\S+) --data-binary @(\S+) -H 'Content-Type: image/jpeg'", make_run.shown
    )
    headers = {"Content-Type": "image/jpeg"}
    reply = urllib3.request("POST", endpoint, body=Path(photograph).read_bytes(), headers=headers, timeout=60)
    assert [len(face["face_hash"]) for face in reply.json()["Faces"]] == [768]

    make_run.press_ctrl_c()
    assert make_run.process.wait(30) == 0
    until(lambda: not make_run.left(), "nothing is left running")
    make_run.shows("")
    assert "Stopped." in make_run.shown
    assert "Traceback" not in make_run.shown


def test_a_port_that_is_taken_is_said_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        terminal = Terminal(["make", "--no-print-directory", "run", f"PORT={taken.getsockname()[1]}"])
        try:
            terminal.wait_shows("another program listens there")
            assert terminal.process.wait(60) != 0
            assert "Traceback" not in terminal.shown
        finally:
            terminal.close()
