"""The default bundle on real images, from bytes to faces."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from devtools import accuracy
from devtools.photos import samples
from face_comparison import engines
from face_comparison.cli import analyzers as commands
from face_comparison.engines import Engine, Session, Shape, openvino
from face_comparison.image import Reduce
from face_comparison.vision import embedding
from face_comparison.vision.analyzer import ImageAnalyzer, build_analyzer
from face_comparison.vision.bundle import Bundle
from face_comparison.vision.search import finer_reduction, reduction
from face_comparison.vision.types import Face

GOLDEN = Path(__file__).parents[1] / "golden" / "model" / "sample.json"
SAMPLE = resources.files("face_comparison").joinpath("sample.jpg").read_bytes()


def jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def image(name: str) -> np.ndarray:
    return np.asarray(cv2.imread(str(samples.photographs()[name]), cv2.IMREAD_COLOR))


def test_sample_matches_recorded_numbers(analyzer: ImageAnalyzer) -> None:
    """Tolerances: a pixel, a hundredth of confidence, 0.03 of distance (float32 on other processors and versions)."""
    golden = json.loads(GOLDEN.read_text())
    (face,) = analyzer.analyze(SAMPLE).faces
    np.testing.assert_allclose([face.box.left, face.box.top, face.box.width, face.box.height], golden["box"], atol=1)
    np.testing.assert_allclose(face.landmarks, golden["landmarks"], atol=1)
    assert face.confidence == pytest.approx(golden["confidence"], abs=0.01)
    assert face.quality.sharpness == pytest.approx(golden["sharpness"], abs=1)
    assert face.quality.brightness == pytest.approx(golden["brightness"], abs=1)
    hashed = np.zeros(768, np.float32)
    hashed[:128] = golden["hash"]
    assert embedding.distance(face.hash, hashed) < 0.03
    assert analyzer.model.version == golden["version"]


def test_face_of_40_pixels_is_found_and_recognized(
    analyzer: ImageAnalyzer,
) -> None:
    for name in ("obama.jpg", "biden.jpg", "astronaut.png"):
        data = samples.photographs()[name].read_bytes()
        (near,) = analyzer.analyze(data).faces
        far = accuracy.shrink_faces(40)(image(name), near.box.height)
        assert far.shape == (1080, 1920, 3)
        (found,) = analyzer.analyze(jpeg(far)).faces
        assert 34 < found.box.height < 46
        assert embedding.distance(near.hash, found.hash) < 0.75


@pytest.mark.parametrize("side", [500, 1000, 2000, 3000])
def test_huge_close_up_is_found(analyzer: ImageAnalyzer, side: int) -> None:
    (near,) = analyzer.analyze(samples.photographs()["obama3.jpg"].read_bytes()).faces
    left, top = int(near.box.left), int(near.box.top)
    right, bottom = left + int(near.box.width), top + int(near.box.height)
    face = cv2.resize(image("obama3.jpg")[top:bottom, left:right], (side, side * (bottom - top) // (right - left)))
    (found,) = analyzer.analyze(jpeg(face)).faces
    assert found.box.height > 0.8 * face.shape[0]
    assert embedding.distance(near.hash, found.hash) < 0.6


def test_more_faces_than_one_batch(analyzer: ImageAnalyzer) -> None:
    tile = image("astronaut.png")[:300, 80:380]
    rows, columns = 3, 5
    (alone,) = analyzer.analyze(jpeg(tile)).faces
    found = analyzer.analyze(jpeg(np.tile(tile, (rows, columns, 1)))).faces
    assert len(found) == rows * columns
    cells = {(int(face.box.left // 300), int(face.box.top // 300)) for face in found}
    assert len(cells) == rows * columns
    assert max(embedding.distance(alone.hash, face.hash) for face in found) < 0.3
    assert [face.confidence for face in found] == sorted((face.confidence for face in found), reverse=True)


def test_max_faces_keeps_most_prominent(analyzer: ImageAnalyzer) -> None:
    data = samples.photographs()["table.jpg"].read_bytes()
    every = analyzer.analyze(data).faces
    cut = analyzer.analyze(data, max_faces=2).faces

    def areas(faces: tuple[Face, ...]) -> list[float]:
        return sorted((face.box.area for face in faces), reverse=True)

    assert len(every) == 6
    assert areas(cut) == pytest.approx(areas(every)[:2])


def test_min_confidence_changes_number_of_faces(analyzer: ImageAnalyzer) -> None:
    portrait = image("astronaut.png")
    noise = np.random.default_rng(1).normal(0, 120, portrait.shape)
    doubtful = jpeg(np.clip(portrait + noise, 0, 255).astype(np.uint8))
    assert analyzer.analyze(doubtful).faces == ()
    (found,) = analyzer.analyze(doubtful, min_confidence=0.3).faces
    assert 0.3 <= found.confidence < 0.6
    group = jpeg(cv2.resize(image("table.jpg"), None, fx=0.2, fy=0.2, interpolation=cv2.INTER_AREA))
    assert len(analyzer.analyze(group).faces) == 6
    strict = analyzer.analyze(group, min_confidence=0.915).faces
    assert 0 < len(strict) < 6
    assert all(face.confidence >= 0.915 for face in strict)


@pytest.mark.parametrize("kind", ["gray", "noise", "checkers"])
def test_image_without_face_returns_no_faces(analyzer: ImageAnalyzer, kind: str) -> None:
    empty = {
        "gray": np.full((600, 800, 3), 127, np.uint8),
        "noise": np.random.default_rng(1).integers(0, 256, (600, 800, 3)).astype(np.uint8),
        "checkers": np.kron(np.indices((60, 80)).sum(axis=0) % 2, np.ones((10, 10))).astype(np.uint8)[:, :, None]
        * np.full(3, 255, np.uint8),
    }[kind]
    found = analyzer.analyze(jpeg(empty))
    assert (found.faces, found.width, found.height) == ((), 800, 600)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (7, 5), (4096, 16)])
def test_images_of_odd_sizes(analyzer: ImageAnalyzer, size: tuple[int, int]) -> None:
    assert analyzer.analyze(jpeg(np.full((*size, 3), 200, np.uint8))).faces == ()


def test_coordinates_do_not_depend_on_decoded_size(analyzer: ImageAnalyzer) -> None:
    tile = image("obama.jpg")
    (small,) = analyzer.analyze(jpeg(tile)).faces
    large = cv2.resize(tile, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    (found,) = analyzer.analyze(jpeg(large)).faces
    assert reduction(max(large.shape[:2]), 640) == 4
    np.testing.assert_allclose(found.landmarks / 3, small.landmarks, atol=8)  # of a face 242 pixels wide
    assert embedding.distance(small.hash, found.hash) < 0.25


def test_threads_do_not_mix_results(analyzer: ImageAnalyzer) -> None:
    data = [samples.photographs()[name].read_bytes() for name in ("obama.jpg", "biden.jpg", "astronaut.png")]
    alone = [analyzer.analyze(item).faces[0].hash for item in data]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda index: analyzer.analyze(data[index % 3]).faces[0].hash, range(24)))
    for index, hashed in enumerate(together):
        np.testing.assert_allclose(hashed, alone[index % 3], atol=1e-5)


def test_every_batch_is_reported(default_bundle: Bundle) -> None:
    seen: list[tuple[str, int]] = []
    reporting = build_analyzer(default_bundle, device="cpu", on_batch=lambda *batch: seen.append(batch))
    seen.clear()
    reporting.analyze(SAMPLE)
    assert ("embedder", 1) in seen
    assert {size for network, size in seen if network == "detector"} == {1, 4}


def test_all_buckets_run_at_warm_up(default_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library sets a shape up when it first runs: no request is to pay for that."""
    loaded: list[Shape] = []
    ran: list[tuple[int, ...]] = []

    class Recording:
        def __init__(self, session: Session) -> None:
            self._session = session

        def run(self, images: np.ndarray) -> Sequence[np.ndarray]:
            ran.append(images.shape[:3])
            return self._session.run(images)

    def load(*arguments: Any, **options: Any) -> Engine:
        engine = load_engine(*arguments, **options)
        session = engine.session

        def recorded(network: Path, shapes: Sequence[Shape], **given: bool) -> Session:
            loaded.extend(shapes)
            return Recording(session(network, shapes, **given))

        monkeypatch.setattr(engine, "session", recorded)
        return engine

    load_engine = engines.load
    monkeypatch.setattr(engines, "load", load)
    build_analyzer(default_bundle, device="cpu")
    assert loaded
    assert set(ran) == set(loaded)


def test_command_warms_up_needed_buckets_only(
    default_bundle: Bundle, analyzer: ImageAnalyzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is made ready once, also when several threads need it at the same time."""
    compiled: list[tuple[int, ...]] = []
    compile_one = openvino._compile

    def recorded(core: Any, model: Any, shape: tuple[int, ...], properties: dict[str, Any]) -> Any:
        compiled.append(shape)
        return compile_one(core, model, shape, properties)

    monkeypatch.setattr(openvino, "_compile", recorded)
    hasty, _ = commands.load_analyzer({"device": "cpu", "threads": "4"})
    assert compiled == []
    group = samples.photographs()["table.jpg"].read_bytes()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(hasty.analyze, [group] * 8))
    expected = analyzer.analyze(group).faces
    for each in found:
        assert [face.hash.tolist() for face in each.faces] == [face.hash.tolist() for face in expected]
    needed = set(compiled)
    assert len(needed) == len(compiled)
    compiled.clear()
    build_analyzer(default_bundle, device="cpu", threads=4)
    assert needed < set(compiled)


def test_gpu_path_matches_cpu(default_bundle: Bundle, analyzer: ImageAnalyzer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything but CUDA itself, which `test_cuda.py` needs a GPU for. `test_batching.py` shows that requests share
    batches."""
    sizes: list[tuple[str, int]] = []

    class Strict:
        def __init__(self, session: Session, shapes: Sequence[Shape]) -> None:
            self._session, self._shapes = session, shapes

        def run(self, images: np.ndarray) -> Sequence[np.ndarray]:
            assert images.shape[:3] in self._shapes
            return self._session.run(images)

    class Gpu:
        name, device = "onnxruntime", "cuda"

        def session(self, network: Path, shapes: Sequence[Shape], *, exact: bool = False) -> Session:
            return Strict(cpu.session(network, shapes, exact=exact), shapes)

        def exact_session(self, network: Path) -> Session | None:
            return cpu.exact_session(network)

    cpu = engines.load("onnxruntime", "cpu", 2)
    monkeypatch.setattr(engines, "load", lambda *arguments, **options: Gpu())
    gpu = build_analyzer(default_bundle, device="cuda", threads=2, on_batch=lambda *batch: sizes.append(batch))
    photographs = [samples.photographs()[name].read_bytes() for name in samples.BENCH]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(gpu.analyze, photographs * 2))
    for data, analyzed in zip(photographs * 2, found, strict=True):
        expected = analyzer.analyze(data).faces
        assert len(analyzed.faces) == len(expected)
        for face in analyzed.faces:
            nearest = min(expected, key=lambda other: float(np.abs(other.landmarks - face.landmarks).max()))
            np.testing.assert_allclose(face.landmarks, nearest.landmarks, atol=1)
            assert embedding.distance(face.hash, nearest.hash) < 0.1
    assert max(size for network, size in sizes if network == "detector") > 1


def test_only_proposals_run_in_low_precision(default_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is seen on crops decides the hash, which must be the same on every processor."""
    exact: list[tuple[str, bool]] = []
    session = openvino.OpenVinoEngine.session

    def recorded(self: Any, network: Path, shapes: Sequence[Shape], **given: bool) -> Session:
        exact.append((network.stem, given.get("exact", False)))
        return session(self, network, shapes, **given)

    monkeypatch.setattr(openvino.OpenVinoEngine, "session", recorded)
    build_analyzer(default_bundle, device="cpu", every_bucket=False)
    assert exact == [("detector", False), ("detector", True), ("embedder", False)]


@pytest.fixture
def looks(default_bundle: Bundle) -> Callable[..., int]:
    """How many views and crops the detector is asked for."""
    sizes: list[int] = []
    reporting = build_analyzer(
        default_bundle,
        device="cpu",
        every_bucket=False,
        on_batch=lambda network, size: sizes.append(size) if network == "detector" else None,
    )

    def count(data: bytes, faces: int, max_faces: int = 100) -> int:
        sizes.clear()
        assert len(reporting.analyze(data, max_faces=max_faces).faces) == faces
        return sum(sizes)

    return count


def test_upright_face_takes_few_crops(looks: Callable[..., int]) -> None:
    """One crop for each place that may be a face, two means of four for the roll, one for the landmarks: what turned
    heads need beyond that is spent only where no upright face is found."""
    assert looks(samples.photographs()["obama2.jpg"].read_bytes(), 1) <= 1 + 3 + 8 + 4


def test_excess_faces_cost_one_crop(looks: Callable[..., int]) -> None:
    portrait, group = image("obama2.jpg"), image("table.jpg")
    below = cv2.resize(group, (portrait.shape[1], portrait.shape[1] * group.shape[0] // group.shape[1]))
    photo = jpeg(np.vstack([portrait, below]))
    every, one = looks(photo, 7), looks(photo, 1, max_faces=1)
    assert one <= every - 6 * 12


def test_phases_sum_to_total(analyzer: ImageAnalyzer) -> None:
    stages = analyzer.analyze(SAMPLE).stages
    assert set(stages) == {"decode", "detect", "embed"}
    assert all(seconds > 0 for seconds in stages.values())


def test_warm_up_rejects_nan_embeddings(default_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = build_analyzer(default_bundle, device="cpu")
    monkeypatch.setattr(
        broken._recognizer._embedder, "run", lambda faces: [np.full((len(faces), 128), np.nan, np.float32)]
    )
    with pytest.raises(RuntimeError, match="not finite"):
        broken.warm_up()


@pytest.mark.parametrize(("longest", "reduce"), [(500, 1), (1279, 1), (1280, 2), (2559, 2), (2560, 4), (4096, 4)])
def test_decoded_image_is_not_smaller_than_view(longest: int, reduce: int) -> None:
    assert reduction(longest, 640) == reduce


@pytest.mark.parametrize(("face", "reduce", "finer"), [(200, 4, 4), (112, 4, 4), (111, 4, 2), (50, 4, 1), (5, 8, 1)])
def test_small_face_needs_finer_decoding(face: float, reduce: Reduce, finer: int) -> None:
    assert finer_reduction(face, reduce) == finer


@pytest.mark.parametrize("name", ["biden.jpg", "hanks_112.png", "obama_partial_face.jpg", "table.jpg"])
def test_hash_does_not_depend_on_min_confidence(analyzer: ImageAnalyzer, name: str) -> None:
    data = samples.photographs()[name].read_bytes()
    usual = analyzer.analyze(data).faces
    for minimum in (0.0, 0.3, 0.9):
        faces = analyzer.analyze(data, min_confidence=minimum).faces
        assert all(face.confidence >= minimum for face in faces)
        for face in (face for face in usual if face.confidence >= minimum):
            (same,) = (other for other in faces if other.box == face.box)
            assert embedding.distance(face.hash, same.hash) < 1e-3
            assert same.confidence == face.confidence
