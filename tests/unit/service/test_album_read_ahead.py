"""Files of an album are read while others are analyzed."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from face_comparison.album.read_ahead import ReadAhead

TIMEOUT = 20
PATHS = [Path(f"{number}.jpg") for number in range(12)]


class Bucket:
    """Answers a read only once `together` of them have begun, as a slow bucket does that serves them side by side."""

    def __init__(self, together: int) -> None:
        self.begun: list[Path] = []
        self._barrier = threading.Barrier(together, timeout=TIMEOUT)

    def read(self, path: Path) -> bytes:
        self.begun.append(path)
        self._barrier.wait()
        return str(path).encode()


def test_reads_overlap_although_one_thread_asks() -> None:
    bucket = Bucket(together=4)
    with ReadAhead(bucket.read, PATHS, ahead=4) as read:
        assert [read(path) for path in PATHS] == [str(path).encode() for path in PATHS]
    assert sorted(bucket.begun) == sorted(PATHS)  # each once


def test_no_more_is_read_than_asked_for() -> None:
    started = []
    requested = threading.Event()

    def note(path: Path) -> bytes:
        started.append(path)
        if len(started) == 4:
            requested.set()
        return b""

    with ReadAhead(note, PATHS, ahead=3) as read:
        read(PATHS[0])
        assert requested.wait(TIMEOUT)
    assert started == PATHS[:4]


def test_file_that_cannot_be_read_fails_alone() -> None:
    def read_all_but_one(path: Path) -> bytes:
        if path == PATHS[1]:
            raise OSError(5, "Input/output error")
        return b"x"

    with ReadAhead(read_all_but_one, PATHS) as read:
        assert read(PATHS[0]) == b"x"
        with pytest.raises(OSError, match="Input/output"):
            read(PATHS[1])
        assert read(PATHS[2]) == b"x"


def test_files_asked_for_before_their_turn_are_not_read_again() -> None:
    """Else each would keep its content, and the place of a file that is needed, for good."""
    started, on_demand = [], []

    def note(path: Path) -> bytes:
        started.append(path)
        if threading.current_thread() is threading.main_thread():
            on_demand.append(path)
        return str(path).encode()

    early = PATHS[6:9]
    order = [*early, *PATHS[:6], *PATHS[9:]]
    with ReadAhead(note, PATHS, ahead=2) as read:
        assert [read(path) for path in order] == [str(path).encode() for path in order]
    assert on_demand == early
    assert sorted(started) == sorted(PATHS)


def test_file_out_of_order_or_unknown_is_read_when_asked_for() -> None:
    with ReadAhead(lambda path: str(path).encode(), PATHS, ahead=2) as read:
        assert read(PATHS[9]) == b"9.jpg"
        assert read(Path("other.jpg")) == b"other.jpg"
        assert read(PATHS[0]) == b"0.jpg"
