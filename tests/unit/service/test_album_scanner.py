"""Every image is looked at once; what a moment's failure costs is looked at again, and what was found is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from face_comparison.album import scanner
from face_comparison.album.crops import Crops
from face_comparison.album.database import AlbumDatabase
from face_comparison.album.face_sources import MAX_BYTES, FaceSource, ImageRejected, LocalFaceSource
from face_comparison.album.faces import Skipped
from face_comparison.api.responses import BoundingBox
from face_comparison.client.detection import DetectedFace, Detection
from face_comparison.errors import AcceleratorUnavailable, ServiceUnusable
from face_comparison.vision.analyzer import Analyzer
from support.analyzer import MODEL, FakeAnalyzer
from support.faces import quality

HASH = np.eye(1, 768, dtype=np.float32)[0]
FACE = DetectedFace(BoundingBox(0.2, 0.2, 0.5, 0.5), 0.9, HASH, (), quality(1, 2, 30), "m-1")


class Obedient:
    """An source that finds one face on every image, unless a test says otherwise."""

    version, threshold, sure_confidence, max_bytes, concurrency = "m-1", 1.128, 0.75, MAX_BYTES, 2

    def __init__(self, before: Callable[[int], None] = lambda count: None) -> None:
        self.before, self.count, self.lock = before, 0, threading.Lock()

    def faces(self, data: bytes) -> Detection:
        with self.lock:
            self.count += 1
            count = self.count
        self.before(count)
        return Detection((FACE,), "m-1")


@pytest.fixture
def photographs(tmp_path: Path) -> list[Path]:
    (tmp_path / "photos").mkdir()
    for shade in range(40):
        cv2.imwrite(str(tmp_path / "photos" / f"{shade:02d}.png"), np.full((40, 50, 3), shade, np.uint8))
    return [Path(f"{shade:02d}.png") for shade in range(40)]


def look(tmp_path: Path, paths: list[Path], source: FaceSource) -> scanner.ScanResult:
    out = tmp_path / "album"
    out.mkdir(exist_ok=True)
    with AlbumDatabase(out, "m-1") as database:
        return scanner.scan(tmp_path / "photos", paths, source, database, Crops(out, "m-1"), done=lambda outcome: None)


def test_known_images_are_not_analyzed_again(tmp_path: Path, photographs: list[Path]) -> None:
    first = look(tmp_path, photographs[:30], Obedient())
    assert (first.analyzed, len(first.digests), first.skipped) == (30, 30, [])
    second = Obedient()
    assert look(tmp_path, photographs, second).analyzed == second.count == 10


def test_equal_images_are_analyzed_once(tmp_path: Path, photographs: list[Path]) -> None:
    same = tmp_path / "photos" / "same.png"
    same.write_bytes((tmp_path / "photos" / "00.png").read_bytes())
    found = look(tmp_path, [photographs[0], Path("same.png")], Obedient())
    assert found.analyzed == 1
    assert len(set(found.digests.values())) == 1
    assert len(found.digests) == 2


def test_transient_failure_is_retried_by_next_run(tmp_path: Path, photographs: list[Path]) -> None:
    def fail(count: int) -> None:
        if count == 3:
            raise ImageRejected("internal", "the service failed", permanent=False)
        if count == 5:
            raise ImageRejected("corrupt_image", "it is cut off", permanent=True)

    found = look(tmp_path, photographs, Obedient(fail))
    assert [(each.code, each.reason) for each in found.skipped] == [("internal", "the service failed")]
    again = Obedient()
    assert look(tmp_path, photographs, again).skipped == []
    assert again.count == 1  # not the one that is damaged for good


def test_interrupted_run_keeps_results(tmp_path: Path, photographs: list[Path]) -> None:
    def fail(count: int) -> None:
        if count > 25:
            raise ServiceUnusable("it does not answer")

    with pytest.raises(ServiceUnusable):
        look(tmp_path, photographs, Obedient(fail))
    assert look(tmp_path, photographs, rest := Obedient()).analyzed == rest.count <= 40 - scanner.BATCH


@pytest.mark.timeout(60)
def test_ctrl_c_waits_for_current_images_only(
    tmp_path: Path, photographs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanner, "_INTERRUPT_GRACE_SECONDS", 600.0)
    source, out = Obedient(), tmp_path / "album"
    interrupts = iter([KeyboardInterrupt()])

    def interrupt(outcome: scanner.Outcome) -> None:
        for interrupt in interrupts:
            raise interrupt

    out.mkdir()
    with AlbumDatabase(out, "m-1") as database, pytest.raises(scanner.Interrupted):
        scanner.scan(tmp_path / "photos", photographs, source, database, Crops(out, "m-1"), done=interrupt)
    with AlbumDatabase(out, "m-1") as database:
        assert len(database.analyzed_digests()) == source.count < 40


def test_vanished_image_is_reported(tmp_path: Path, photographs: list[Path]) -> None:
    (tmp_path / "photos" / "07.png").unlink()
    (lost,) = look(tmp_path, photographs, Obedient()).skipped
    assert lost == Skipped(Path("07.png"), "unreadable", "the file cannot be read: No such file or directory")


def here(load: Callable[[], Analyzer]) -> LocalFaceSource:
    return LocalFaceSource(MODEL.version, MODEL.threshold, MODEL.sure_confidence, load, threads=4)


def test_models_are_loaded_lazily(tmp_path: Path, photographs: list[Path]) -> None:
    loaded: list[Analyzer] = []

    def load() -> Analyzer:
        loaded.append(FakeAnalyzer())
        return loaded[-1]

    source = here(load)
    assert (source.version, source.threshold) == (MODEL.version, MODEL.threshold)
    assert loaded == []
    assert look(tmp_path, photographs, source).analyzed == 40  # rejected for good: the fake's images are words
    assert len(loaded) == 1
    assert look(tmp_path, photographs, here(load)).analyzed == 0
    assert len(loaded) == 1


def test_unloadable_models_end_scan(tmp_path: Path, photographs: list[Path]) -> None:
    def load() -> Analyzer:
        raise AcceleratorUnavailable("there is no GPU")

    with pytest.raises(AcceleratorUnavailable):
        look(tmp_path, photographs, here(load))
