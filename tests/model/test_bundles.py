"""Bundles are data, and trusted only as far as their digests go."""

import json
import shutil
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

from face_comparison.cli import analyzers as commands
from face_comparison.engines import Session, Shape
from face_comparison.engines import openvino as openvino_engine
from face_comparison.errors import InvalidBundle, ModelDownloadFailed
from face_comparison.models import bundle_store
from face_comparison.vision import bundle
from face_comparison.vision.analyzer import ImageAnalyzer, build_analyzer
from face_comparison.vision.bundle import Bundle
from support import bundles

SAMPLE = resources.files("face_comparison").joinpath("sample.jpg").read_bytes()


@pytest.fixture
def copy(default_bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(default_bundle.folder, tmp_path / "copy"))


def test_second_bundle_needs_no_code(tmp_path: Path) -> None:
    fetched = bundle_store.ensure_bundle(str(bundles.recipe(tmp_path)), tmp_path / "bundles")
    second = build_analyzer(fetched, device="cpu", threads=1)
    second.warm_up()
    assert second.model.version == "second-7"
    assert (second.model.threshold, second.model.scale) == (0.9, 0.1)
    assert second.model.licences == ("CC0-1.0", "MIT")
    (face,) = second.analyze(SAMPLE).faces
    assert np.count_nonzero(face.hash[:512]) > 500
    assert not face.hash[512:].any()
    assert np.linalg.norm(face.hash) == pytest.approx(1, abs=1e-5)


def test_engines_agree_on_hash(default_bundle: Bundle, analyzer: ImageAnalyzer) -> None:
    other = build_analyzer(default_bundle, device="cpu", engine="onnxruntime", threads=1)
    assert (other.model.engine, analyzer.model.engine) == ("onnxruntime", "openvino")
    (one,), (two,) = analyzer.analyze(SAMPLE).faces, other.analyze(SAMPLE).faces
    # float32 on both: different order of sums only, but with bfloat16 in OpenVINO's embedder: 0.03 at most.
    takes_bfloat16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert np.linalg.norm(one.hash - two.hash) < (0.04 if takes_bfloat16 else 0.02)
    np.testing.assert_allclose(one.landmarks, two.landmarks, atol=0.05)


def test_engines_agree_on_float32_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    requested: list[bool] = []
    session = openvino_engine.OpenVinoEngine.session

    def recorded(self: Any, network: Path, shapes: Sequence[Shape], *, exact: bool = False) -> Session:
        requested.append(exact)
        return session(self, network, shapes, exact=exact)

    monkeypatch.setattr(openvino_engine.OpenVinoEngine, "session", recorded)
    faces = []
    for engine in ("openvino", "onnxruntime"):
        loaded, _ = commands.load_analyzer({"device": "cpu", "engine": engine, "precision": "float32", "threads": "1"})
        faces.append(loaded.analyze(SAMPLE).faces[0])
    assert requested == [True] * 3
    assert np.linalg.norm(faces[0].hash - faces[1].hash) < 1e-3


def test_second_fetch_builds_nothing(tmp_path: Path) -> None:
    recipe = bundles.recipe(tmp_path)
    first = bundle_store.ensure_bundle(str(recipe), tmp_path / "bundles")
    for published in tmp_path.glob("*-published.onnx"):
        published.unlink()  # nothing could be built from now on
    assert bundle_store.ensure_bundle(str(recipe), tmp_path / "bundles").digest == first.digest


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(path.read_bytes()[:-1]), Path.unlink])
def test_damaged_cached_bundle_is_rebuilt(tmp_path: Path, damage) -> None:
    recipe = str(bundles.recipe(tmp_path))
    damage(bundle_store.ensure_bundle(recipe, tmp_path / "bundles").embedder)
    assert bundle_store.ensure_bundle(recipe, tmp_path / "bundles").embedder.stat().st_size > 0


def test_damaged_file_fails_startup(copy: Path) -> None:
    path = copy / "embedder.onnx"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    expected = bundle.parse_manifest((copy / "manifest.json").read_bytes(), "").embedder.sha256
    with pytest.raises(InvalidBundle) as caught:
        bundle.open_bundle(copy)
    assert "embedder.onnx" in caught.value.message
    assert expected in caught.value.message
    assert caught.value.message.count("sha256") == 1
    assert len([word for word in caught.value.message.replace(",", " ").split() if len(word) == 64]) == 2


def test_unexpected_file_is_reported(copy: Path) -> None:
    shutil.copy(copy / "detector.onnx", copy / "embedder.onnx")
    with pytest.raises(InvalidBundle, match=r"embedder\.onnx is damaged or another file"):
        bundle.open_bundle(copy)


def test_missing_file_is_reported(copy: Path) -> None:
    (copy / "detector.onnx").unlink()
    with pytest.raises(InvalidBundle, match=r"detector\.onnx cannot be read \(No such file"):
        bundle.open_bundle(copy)


def test_folder_without_manifest_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle, match=r"manifest\.json cannot be read"):
        bundle.open_bundle(tmp_path)


def test_pinned_digest_covers_whole_bundle(copy: Path, default_bundle: Bundle) -> None:
    assert bundle.open_bundle(copy, default_bundle.digest).digest == default_bundle.digest
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["comparison"]["threshold"] = 1.9
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidBundle, match=f"expected sha256 {default_bundle.digest}, found"):
        bundle.open_bundle(copy, default_bundle.digest)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("comparison"), "comparison"),
        (lambda m: m["comparison"].update(threshold=3), "threshold"),
        (lambda m: m["detector"].update(file="../../etc/passwd"), "file"),
        (lambda m: m["detector"].update(sha256="abc"), "sha256"),
        (lambda m: m["detector"].update(side=100), "side"),
        (lambda m: m["embedder"].update(width=1024), "width"),
        (lambda m: m["embedder"].update(color="RGB"), "color"),
        (lambda m: m["detector"].update(architecture="haar"), "architecture"),
    ],
)
def test_invalid_manifest_names_field(copy: Path, change, message: str) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    change(manifest)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidBundle, match=message):
        bundle.open_bundle(copy)


def test_published_file_with_wrong_digest_is_rejected(tmp_path: Path) -> None:
    recipe = bundles.recipe(tmp_path)
    (tmp_path / "embedder-published.onnx").write_bytes(b"something else")
    with pytest.raises(ModelDownloadFailed, match=r"embedder-published\.onnx: expected sha256 [0-9a-f]{64}, found"):
        bundle_store.ensure_bundle(str(recipe), tmp_path / "bundles")
    assert not list((tmp_path / "bundles").glob("second-7"))


def test_next_source_is_tried_on_failure(tmp_path: Path) -> None:
    recipe = bundles.recipe(tmp_path)
    manifest = json.loads(recipe.read_text())
    for network in ("detector", "embedder"):
        manifest[network]["origin"]["sources"].insert(0, {"path": "not-there.onnx"})
    recipe.write_text(json.dumps(manifest))
    assert bundle_store.ensure_bundle(str(recipe), tmp_path / "bundles").manifest.version == "second-7"


def test_unknown_name_lists_known_names(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle, match="known are yunet-sface"):
        bundle_store.bundle_path("resnet", tmp_path)
