"""The bundle whose embedder computes in int8: what it shares with the default one, and what keeps the two apart."""

import json
from importlib import resources
from pathlib import Path

import numpy as np
import onnx
import pytest
from msgspec import structs

from devtools import accuracy, int8_bundle
from devtools.photos import samples
from face_comparison.cli import analyzers
from face_comparison.models import bundle_store, loader
from face_comparison.models.quantization import LAYERS
from face_comparison.settings import Settings
from face_comparison.vision import embedding
from face_comparison.vision.analyzer import ImageAnalyzer, build_analyzer
from face_comparison.vision.bundle import Bundle, parse_manifest

GOLDEN = Path(__file__).parents[1] / "golden" / "model" / "sample.json"
SAMPLE = resources.files("face_comparison").joinpath("sample.jpg").read_bytes()


@pytest.fixture(scope="module")
def int8() -> Bundle:
    return bundle_store.ensure_bundle(int8_bundle.NAME, bundle_store.bundles_folder())


@pytest.fixture(scope="module")
def quantized(int8: Bundle) -> ImageAnalyzer:
    return build_analyzer(int8, device="cpu", every_bucket=False)


def golden_hash() -> np.ndarray:
    hashed = np.zeros(768, np.float32)
    hashed[:128] = json.loads(GOLDEN.read_text())["hash"]
    return hashed


def test_it_differs_from_the_default_bundle_in_its_embedder_alone() -> None:
    recipes = bundle_store.known_manifests()
    default, int8 = (parse_manifest(recipes[name], name) for name in (bundle_store.DEFAULT, int8_bundle.NAME))
    assert (int8.detector, int8.revision) == (default.detector, default.revision), "run `make generate`"
    assert int8.version == default.version.replace(bundle_store.DEFAULT, int8_bundle.NAME)
    assert default.embedder.origin is not None
    assert int8.embedder.origin is not None
    assert (default.embedder.origin.int8, int8.embedder.origin.sha256) == ({}, default.embedder.origin.sha256)
    assert int8.embedder.sha256 != default.embedder.sha256
    same = {"sha256": default.embedder.sha256, "origin": default.embedder.origin}
    assert structs.replace(int8.embedder, **same) == default.embedder


def test_all_layers_but_the_first_are_in_int8(int8: Bundle) -> None:
    nodes = onnx.load(int8.embedder).graph.node
    layers = [node for node in nodes if node.op_type in LAYERS]
    made_by = {name: node.op_type for node in nodes for name in node.output}
    in_int8 = [[made_by.get(name) for name in layer.input[:2]] == ["DequantizeLinear"] * 2 for layer in layers]
    assert in_int8 == [False] + [True] * 27
    assert int8.embedder.stat().st_size < 11e6  # 39 MB in float32


def test_the_sample_is_near_its_hash_in_float32_but_not_equal(quantized: ImageAnalyzer) -> None:
    (face,) = quantized.analyze(SAMPLE).faces
    assert 0.02 < embedding.distance(face.hash, golden_hash()) < 0.2
    assert np.linalg.norm(face.hash) == pytest.approx(1, abs=1e-5)


def test_both_engines_give_nearly_the_same_hash(int8: Bundle, quantized: ImageAnalyzer) -> None:
    other = build_analyzer(int8, device="cpu", engine="onnxruntime", every_bucket=False)
    (one,), (two,) = quantized.analyze(SAMPLE).faces, other.analyze(SAMPLE).faces
    assert embedding.distance(one.hash, two.hash) < 0.1


def test_it_runs_only_where_it_is_named(int8: Bundle, default_bundle: Bundle) -> None:
    folder = int8.folder.parent
    assert loader.open_configured_bundle(Settings(), folder).manifest.version == default_bundle.manifest.version
    for name in (int8_bundle.NAME, int8.manifest.version):
        assert loader.open_configured_bundle(Settings(bundle=name), folder).digest == int8.digest
        loaded, _ = analyzers.load_analyzer({"bundle": name, "device": "cpu"})
        assert loaded.model.version == int8.manifest.version


@pytest.mark.parametrize("variant", ["as taken", "noise of standard deviation 45"])
def test_people_are_told_apart_as_the_documents_say(quantized: ImageAnalyzer, variant: str) -> None:
    names = [name for name, people in samples.PEOPLE.items() if len(people) == 1]
    faces = {}
    for name in names:
        (faces[name],) = quantized.analyze(accuracy.degrade(quantized, name, variant), max_faces=1).faces
    threshold = quantized.model.threshold
    for one in names:
        for other in names:
            distance = embedding.distance(faces[one].hash, faces[other].hash)
            assert (distance <= threshold) == (samples.PEOPLE[one] == samples.PEOPLE[other]), (one, other)
