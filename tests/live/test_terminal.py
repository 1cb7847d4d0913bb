"""The program in a terminal: tables, color, progress, hints, and completion in the shells themselves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import urllib3

from devtools.photos import samples
from support.served import until
from support.terminal import Terminal

BIN = Path(sys.executable).parent
PROGRAM = str(BIN / "face-comparison")


@pytest.fixture(scope="module")
def photographs() -> list[str]:
    return [str(path) for path in samples.photographs("obama.jpg", "obama2.jpg", "biden.jpg").values()]


def shown_by(command: list[str], **environ: str) -> tuple[int, str]:
    """Returns exit status and output of a command in its terminal."""
    terminal = Terminal(command, **environ)
    try:
        until(lambda: terminal.shows("\0") or terminal.process.poll() is not None, "the command ends")
        terminal.shows("\0")
        return terminal.process.wait(), terminal.shown.replace("\r\n", "\n")
    finally:
        terminal.close()


def test_detect_shows_a_table_with_color_and_progress(photographs: list[str]) -> None:
    status, shown = shown_by([PROGRAM, "detect", *photographs])
    assert status == 0
    assert "finding faces" in shown
    assert re.search(r"\x1b\[1mimage +face +confidence", shown)
    assert "face_hash" not in shown


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_color_can_be_declined(photographs: list[str], environ: dict[str, str]) -> None:
    status, shown = shown_by([PROGRAM, "compare", photographs[0], photographs[2]], **environ)
    assert status == 1
    assert "different people" in shown
    assert "\x1b[" not in shown


def test_compare_shows_the_verdict_in_color(photographs: list[str]) -> None:
    status, shown = shown_by([PROGRAM, "compare", photographs[0], photographs[2]])
    assert status == 1
    assert re.search(r"\x1b\[31m\S*biden\.jpg +different people", shown)


def test_serve_prints_its_address_and_listens_locally() -> None:
    terminal = Terminal([PROGRAM, "serve", "--port", "0", "--stage", "front"])
    try:
        terminal.wait_shows("in a browser; press Ctrl-C to stop the service.")
        ((page, port),) = re.findall(r"open (http://127\.0\.0\.1:(\d+)/front/) in a browser", terminal.shown)
        terminal.wait_shows("ready")
        assert urllib3.request("GET", page, timeout=60).status == 200
        assert not re.search(r"^\{", terminal.shown, re.MULTILINE)  # not JSON
        assert re.search(r"^\d\d:\d\d:\d\d  ready  pid=\d+  seconds=", terminal.shown, re.MULTILINE)
        listening = {
            connection.laddr.ip if connection.laddr else ""
            for connection in psutil.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == int(port)
        }
        assert listening == {"127.0.0.1"}
        terminal.press_ctrl_c()
        assert terminal.process.wait(30) == 0
    finally:
        terminal.close()


# --- completion, enabled as docs/reference/command-line.md describes


def completed(line: str) -> list[str]:
    """Returns what bash offers at the end of a line."""
    ask = f"""
        eval "$(_FACE_COMPARISON_COMPLETE=bash_source face-comparison)"
        COMP_WORDS=({line} ""); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        [[ "{line}" == *" " ]] || {{ COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); }}
        complete -p face-comparison > /dev/null
        _face_comparison_completion face-comparison; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-c", ask], capture_output=True, text=True, timeout=60, check=True, env={**os.environ, "PATH": path}
    )
    assert ended.stderr == ""
    return ended.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("face-comparison det", "detect"),
        ("face-comparison models fe", "fetch"),
        ("face-comparison detect --for", "--format"),
        ("face-comparison detect --format ", "csv"),
    ],
)
def test_bash_completion(line: str, offered: str) -> None:
    assert offered in completed(line)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_a_completion_script(shell: str) -> None:
    """What shells do with the script is click's part; that the program provides both is ours."""
    environ = {**os.environ, "_FACE_COMPARISON_COMPLETE": f"{shell}_source"}
    script = subprocess.run([PROGRAM], capture_output=True, text=True, timeout=60, check=True, env=environ).stdout
    assert f"_FACE_COMPARISON_COMPLETE={shell}_complete" in script
    words = {"COMP_WORDS": "face-comparison compare --js", "COMP_CWORD": "--js" if shell == "fish" else "2"}
    environ = {**os.environ, **words, "_FACE_COMPARISON_COMPLETE": f"{shell}_complete"}
    offered = subprocess.run([PROGRAM], capture_output=True, text=True, timeout=60, check=True, env=environ).stdout
    assert "--json" in offered
