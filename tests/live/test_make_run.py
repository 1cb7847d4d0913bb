"""`make run` in a terminal, as a newcomer uses it: it becomes ready, shows an example, and stops cleanly on Ctrl-C."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from support.served import until
from support.terminal import Terminal

ROOT = Path(__file__).parents[2]


@pytest.fixture
def make_run() -> Iterator[Terminal]:
    terminal = Terminal(["make", "--no-print-directory", "run", "PORT=0"])
    yield terminal
    terminal.close()


def test_demo_compares_and_stops_on_ctrl_c(make_run: Terminal) -> None:
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


def test_port_in_use_is_reported_clearly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        terminal = Terminal(["make", "--no-print-directory", "run", f"PORT={taken.getsockname()[1]}"])
        try:
            terminal.wait_shows("choose another port, as in `make run PORT=9000`")
            assert terminal.process.wait(60) != 0
            assert "--port" not in terminal.shown  # `make` has no such option
            assert "Traceback" not in terminal.shown
        finally:
            terminal.close()
