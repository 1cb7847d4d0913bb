"""Programs that run beside the tests and end with them, however the tests end.

All programs of one `Processes` share a process group with a guard, a shell that reads a pipe whose other end only the
tests hold. When the tests are gone, even by SIGKILL, the pipe closes and the guard kills the group including itself.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

STOP_SECONDS = 10.0


class Died(Exception):
    """A program exited unexpectedly; the message has the end of its log."""


class Processes:
    """A group of programs, each with a log file `<name>.log` in `logs`."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        logs.mkdir(parents=True, exist_ok=True)
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", "read nothing; kill -KILL 0"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )

    def start(self, name: str, command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> int:
        """Starts `command` under `name`, appends its output to its log, and returns its process ID."""
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | (env or {}),
                process_group=self._guard.pid,
            )
        self._running[name] = process
        return process.pid

    def log(self, name: str) -> Path:
        """Returns the log file of the program `name`."""
        return self.logs / f"{name}.log"

    def pid(self, name: str) -> int:
        """Returns the process ID of the running program `name`."""
        return self._running[name].pid

    def check(self) -> None:
        """Raises Died if a program that was started, and not stopped, has exited."""
        for name, process in self._running.items():
            if (status := process.poll()) is not None:
                tail = self.log(name).read_text(errors="replace")[-2000:]
                raise Died(f"{name} exited with status {status}; its log ends:\n{tail}")

    def stop(self, name: str) -> None:
        """Terminates one program, and kills it after STOP_SECONDS; does nothing if it does not run."""
        if (process := self._running.pop(name, None)) is not None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kill(self, name: str) -> None:
        """Kills one program as a crash would, without a chance to clean up."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def close(self) -> None:
        """Kills every running program and the guard; idempotent."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        for process in [*self._running.values(), self._guard]:
            process.wait()
        self._running.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
