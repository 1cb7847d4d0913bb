"""`make run`: runs the service on this machine, compares three photographs, and suggests what to try next.

The output is written for people; of the service's log, only warnings and errors are shown. Ctrl-C ends both with status
0.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import errno
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import urllib3

from devtools.photos import samples
from face_comparison.benchmark.load import is_ready

FIRST, SAME, OTHER = samples.THREE
READY_SECONDS = 120
COLLECTIONS = Path("build/collections")
"""Where the people are kept that are enrolled in this service, in the checkout."""
STOP_SECONDS = 10


def main() -> int:
    """Runs the service until Ctrl-C, and compares sample photographs once it is ready."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", default="8080")
    port = parser.parse_args().port
    if is_taken(port):
        print(
            f"Another program listens on port {port}: stop it, or choose another port, as in `make run PORT=9000` "
            "(0 takes a free one).",
            file=sys.stderr,
        )
        return 1
    with own_terminal(), service(port) as (process, listening):
        try:
            url = wait_ready(process, listening)
            if url is None:
                return process.wait() or 1
            introduce(url)
            process.wait()
        except KeyboardInterrupt:
            print("\nStopped.")
            return 0
    return process.returncode


def is_taken(port: str) -> bool:
    """Returns whether another program listens on a port; an invalid port is left to the service to reject."""
    try:
        socket.create_server(("127.0.0.1", int(port))).close()
    except (ValueError, OverflowError):
        return False
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


@contextlib.contextmanager
def own_terminal() -> Iterator[None]:
    """Takes Ctrl-C from `make`, which would report it as an error although it is the way to stop the demo."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # no terminal, no Ctrl-C
        yield
        return
    before = os.tcgetpgrp(terminal)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # otherwise taking the terminal would stop this process
    try:
        if before == os.getpgrp() != os.getpid():
            os.setpgid(0, 0)
            os.tcsetpgrp(terminal, os.getpgrp())
        yield
    finally:
        with contextlib.suppress(OSError):
            os.tcsetpgrp(terminal, before)
        os.close(terminal)


@contextlib.contextmanager
def service(port: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Yields the running service, and a list to which its port is added once it listens."""
    program = Path(sys.executable).with_name("face-comparison")
    store = f"sqlite:{COLLECTIONS}"
    process = subprocess.Popen(
        [program, "serve", "--host", "127.0.0.1", "--port", port, "--collections", store],
        stdout=subprocess.PIPE,
        text=True,
    )
    listening: list[int] = []
    reader = threading.Thread(target=pass_on, args=(process, listening), daemon=True)
    reader.start()
    try:
        yield process, listening
    finally:
        with contextlib.suppress(KeyboardInterrupt):  # a second Ctrl-C has no effect
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            reader.join(1)


def pass_on(process: subprocess.Popen[str], listening: list[int]) -> None:
    """Prints warnings and errors from the service's log, and records the port that it listens on."""
    assert process.stdout
    for line in process.stdout:
        entry = json.loads(line)
        if entry["message"] == "listening":
            listening.append(entry["port"])
        elif entry["level"] in ("warning", "error", "critical") and "status" not in entry:
            print(line, end="", file=sys.stderr)


def wait_ready(process: subprocess.Popen[str], listening: list[int]) -> str | None:
    """Returns the service's address once it is ready, or None if it has exited, having logged why."""
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None:
        if listening:
            port = listening[0]
            if is_ready(port):
                return f"http://127.0.0.1:{port}"
        if time.monotonic() > deadline:
            print(f"The service is not ready after {READY_SECONDS} s: its log is above.", file=sys.stderr)
            return None
        time.sleep(0.05)
    return None


def introduce(url: str) -> None:
    """Prints the service's addresses, and a comparison that it just computed."""
    endpoint = f"{url}/prod/face_comparison"
    print(f"\nThe service is ready:  POST {endpoint}")
    print(f"In a browser:          {url}/prod/\n")
    try:
        photographs = samples.photographs(FIRST, SAME, OTHER)
    except RuntimeError as error:
        print(f"The sample photographs could not be fetched, so none are compared: {error}")
        return
    one, same, other = (photographs[name] for name in (FIRST, SAME, OTHER))
    print("It has just compared two photographs of one person and one of another:\n")
    targets = [{"img": encode(same)}, {"img": encode(other)}]
    reply = urllib3.request("POST", f"{endpoint}/compare", json={"source": {"img": encode(one)}, "targets": targets})
    for path, target in zip((same, other), reply.json()["Targets"], strict=True):
        verdict = "same person" if target["SamePerson"] else "different people"
        print(
            f"  {one.name}  {path.name:<10}  {verdict:<16}  distance {target['Distance']:.2f}"
            f"  probability {100 * target['Confidence']:.1f} %"
        )
    print("\nTry next, in another terminal:\n")
    print(f"  curl -s {endpoint} --data-binary @{shlex.quote(str(one))} -H 'Content-Type: image/jpeg'")
    print(f"  .venv/bin/face-comparison compare {shlex.quote(str(one))} {shlex.quote(str(same))}")
    print(f"  .venv/bin/face-comparison collection list --service {url}/prod\n")
    print("Ctrl-C stops it.", flush=True)


def encode(path: Path) -> str:
    """Returns the content of a file in base64."""
    return base64.b64encode(path.read_bytes()).decode()


if __name__ == "__main__":
    sys.exit(main())
