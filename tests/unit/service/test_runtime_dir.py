"""Folders in memory: each goes with its service, and those whose services were killed go with the next start."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from face_comparison.server import runtime_dir


def killed_holder(within: Path) -> int:
    """A process that holds a folder for good."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        with runtime_dir.folder(within) as own:
            (own / "values.db").write_bytes(b"x")
            if os.fork() == 0:  # its worker, which outlives it
                os.write(writer, str(os.getpid()).encode())
            time.sleep(600)
    worker = int(os.read(reader, 100))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return worker


def test_folder_exists_while_used(tmp_path: Path) -> None:
    with runtime_dir.folder(tmp_path) as one, runtime_dir.folder(tmp_path) as other:
        assert one != other
        (one / "values.db").touch()
        assert other.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_folder_of_killed_service_is_removed(tmp_path: Path) -> None:
    worker = killed_holder(tmp_path)
    (left,) = tmp_path.iterdir()
    with runtime_dir.folder(tmp_path):
        assert (left / "values.db").exists()  # a process still holds it
    os.kill(worker, signal.SIGKILL)
    end = time.monotonic() + 60
    while left.exists():
        with runtime_dir.folder(tmp_path):
            assert time.monotonic() < end


def test_other_folders_are_kept(tmp_path: Path) -> None:
    (tmp_path / "face-comparison.txt").write_text("a file")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "face-comparison.link").symlink_to(tmp_path / "elsewhere")
    with runtime_dir.folder(tmp_path):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"face-comparison.txt", "elsewhere", "face-comparison.link"}
