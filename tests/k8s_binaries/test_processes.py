"""Programs beside the tests end with the tests, even if the tests are killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from devtools.k8s.controlplane import attempts
from devtools.k8s.processes import Died, Processes


def gone(pid: int) -> bool:
    """Returns whether the process ends within ten seconds; a zombie has ended."""
    return any(state(pid) in ("none", psutil.STATUS_ZOMBIE) for _ in attempts(10))


def state(pid: int) -> str:
    try:
        return psutil.Process(pid).status()
    except psutil.NoSuchProcess:
        return "none"


def test_close_kills_every_program(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        first, second = processes.start("first", ["sleep", "1000"]), processes.start("second", ["sleep", "1000"])
        assert psutil.pid_exists(first)
        assert psutil.pid_exists(second)
    assert not psutil.pid_exists(first)
    assert not psutil.pid_exists(second)


def test_stop_terminates_only_one_program(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        first, second = processes.start("first", ["sleep", "1000"]), processes.start("second", ["sleep", "1000"])
        processes.stop("first")
        assert not psutil.pid_exists(first)
        assert psutil.pid_exists(second)
        processes.check()


def test_check_names_dead_program_and_its_output(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        pid = processes.start("broken", ["sh", "-c", "echo no such port; exit 3"])
        assert gone(pid)
        with pytest.raises(Died, match=r"broken exited with status 3(.|\n)*no such port"):
            processes.check()


def test_programs_end_when_the_tests_are_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from devtools.k8s.processes import Processes\n"
        f"processes = Processes(Path({str(tmp_path)!r}))\n"
        "print(processes.start('sleeper', ['sleep', '1000']), flush=True); time.sleep(1000)"
    )
    tests = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert tests.stdout is not None
    with tests.stdout:
        sleeper = int(tests.stdout.readline())
    assert psutil.pid_exists(sleeper)
    tests.send_signal(signal.SIGKILL)
    tests.wait()
    assert gone(sleeper)
