"""`models add`: a published ONNX file becomes a bundle that finds, aligns and embeds."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from devtools import ROOT
from face_comparison.cli.models import command
from face_comparison.errors import InvalidBundle, ModelDownloadFailed
from face_comparison.models import bundle_builder, bundle_store
from face_comparison.models.bundle_builder import ModelDescription, build_bundle, read_model
from face_comparison.models.published import fetch_origin
from face_comparison.models.sample_trial import try_on_sample
from face_comparison.vision import analyzer, bundle


def published(folder: Path, *, side: int = 96, width: int = 320, last: bool = False, flat: bool = True) -> Path:
    """A small embedder with fixed random weights: means of 4x4 cells, then a random projection.

    last: it takes (1, side, side, 3) instead of (1, 3, side, side). flat: its output is (1, width) instead of
    (1, width, 1, 1).
    """
    cells = (side // 8) ** 2 * 3
    weights = np.random.default_rng(9).normal(size=(cells, width)).astype(np.float32)
    nodes = [helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2])] if last else []
    nodes += [
        helper.make_node(
            "AveragePool", ["planes" if last else "image"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]
        ),
        helper.make_node("Flatten", ["cells"], ["row"]),
        helper.make_node("MatMul", ["row", "weights"], ["embedding" if flat else "numbers"]),
    ]
    constants = [numpy_helper.from_array(weights, "weights")]
    if not flat:
        nodes.append(helper.make_node("Reshape", ["numbers", "shape"], ["embedding"]))
        constants.append(numpy_helper.from_array(np.array([1, width, 1, 1], np.int64), "shape"))
    graph = helper.make_graph(
        nodes,
        "embedder",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, side, side, 3] if last else [1, 3, side, side])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, width] if flat else [1, width, 1, 1])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.metadata_props.add(key="license", value="CC0-1.0")
    path = folder / "published.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(scope="session")
def base() -> bundle.Bundle:
    return bundle_store.ensure_bundle("default", bundle_store.bundles_folder())


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("flat", [False, True])
def test_adds_embedder_of_other_shape_and_color(last: bool, flat: bool, base: bundle.Bundle, tmp_path: Path) -> None:
    file = read_model(str(published(tmp_path, last=last, flat=flat)))
    assert (file.kind, file.side, file.width, file.license) == ("embedder", 96, 320, "CC0-1.0")
    described = ModelDescription("small", revision="3", color="BGR", mean=127.5, scale=1 / 128)
    created = build_bundle([file], described, base, tmp_path / "bundles")
    assert created.folder == tmp_path / "bundles" / "small-3"
    assert created.manifest.detector == base.manifest.detector
    assert created.manifest.embedder.licence == "CC0-1.0"
    assert created.manifest.embedder.origin is not None
    assert created.manifest.embedder.origin.sha256 == hashlib.sha256(file.content).hexdigest()
    loaded = analyzer.build_analyzer(created, device="cpu", every_bucket=False)
    trial = try_on_sample(loaded)
    assert trial.numbers == 320
    # From now on it is known by its version, as those of this package are by their names.
    assert bundle_store.bundle_path("small-3", tmp_path / "bundles") == created.folder
    assert bundle_store.ensure_bundle("small-3", tmp_path / "bundles").digest == created.digest
    with pytest.raises(InvalidBundle, match=r"known are small-3, yunet-sface"):
        bundle_store.bundle_path("small-2", tmp_path / "bundles")
    assert all(distance is not None for distance in trial.distances.values())


def test_bundle_is_reproducible_from_manifest(base: bundle.Bundle, tmp_path: Path) -> None:
    """The manifest is a recipe: whoever has it and the published file gets the same bytes."""
    file = read_model(str(published(tmp_path)))
    created = build_bundle([file], ModelDescription("small"), base, tmp_path / "bundles")
    recipe = tmp_path / "small.json"
    recipe.write_bytes((created.folder / bundle.MANIFEST).read_bytes())
    assert bundle_store.ensure_bundle(str(recipe), tmp_path / "elsewhere").digest == created.digest


def test_missing_digest_is_pinned_on_fetch(base: bundle.Bundle, tmp_path: Path) -> None:
    file = read_model(str(published(tmp_path)))
    created = build_bundle([file], ModelDescription("small"), base, tmp_path / "bundles")
    recipe = json.loads((created.folder / bundle.MANIFEST).read_text())
    digest = recipe["embedder"].pop("sha256")
    path = tmp_path / "small.json"
    path.write_text(json.dumps(recipe))
    fetched = bundle_store.ensure_bundle(str(path), tmp_path / "elsewhere")
    assert fetched.manifest == created.manifest
    assert fetched.manifest.embedder.sha256 == digest
    before = (fetched.folder / "embedder.onnx").stat().st_ino
    assert bundle_store.ensure_bundle(str(path), tmp_path / "elsewhere").folder == fetched.folder
    assert (fetched.folder / "embedder.onnx").stat().st_ino == before  # kept, not made anew
    recipe["comparison"]["threshold"] = 1.05
    path.write_text(json.dumps(recipe))
    changed = bundle_store.ensure_bundle(str(path), tmp_path / "elsewhere")
    assert changed.manifest.comparison.threshold == 1.05
    (changed.folder / bundle.MANIFEST).write_text(json.dumps(recipe))
    with pytest.raises(InvalidBundle, match="no sha256 of embedder"):
        bundle.open_bundle(changed.folder)
    recipe["embedder"]["origin"]["sha256"] = "0" * 64  # the published file is still pinned
    path.write_text(json.dumps(recipe))
    with pytest.raises(ModelDownloadFailed, match="expected sha256 0000"):
        bundle_store.ensure_bundle(str(path), tmp_path / "third")


@pytest.mark.parametrize("name", ["auraface", "mobileface", "adaface"])
def test_documented_manifests_are_valid(name: str, base: bundle.Bundle) -> None:
    path = ROOT / "docs" / "models" / f"{name}.json"
    manifest = bundle.parse_manifest(path.read_bytes(), str(path))
    assert manifest.version == f"{name}-1"
    assert manifest.detector == base.manifest.detector
    assert manifest.embedder.sha256 == ""
    assert manifest.embedder.origin is not None
    assert all(source.url.startswith("https://") for source in manifest.embedder.origin.sources)


def test_distinguishes_detector_from_embedder(base: bundle.Bundle, tmp_path: Path) -> None:
    origin = base.manifest.detector.origin
    assert origin is not None
    path = tmp_path / "detector.onnx"
    path.write_bytes(fetch_origin(origin, tmp_path))
    file = read_model(str(path))
    assert file.kind == "detector"
    described = ModelDescription("finder", color="BGR", mean=0, scale=1, license="MIT")
    created = build_bundle([file], described, base, tmp_path / "bundles")
    assert created.manifest.embedder == base.manifest.embedder
    assert created.manifest.comparison == base.manifest.comparison
    (tmp_path / "embedder").mkdir()
    embedder = read_model(str(published(tmp_path / "embedder")))
    both = build_bundle([file, embedder], ModelDescription("both"), base, tmp_path / "bundles")
    # Color, mean and scale are the embedder's: the detector keeps those of its kind, and finds the sample's face.
    assert both.manifest.detector.origin is not None
    assert both.manifest.detector.origin.color == "BGR"
    try_on_sample(analyzer.build_analyzer(both, device="cpu", every_bucket=False))
    with pytest.raises(InvalidBundle, match="not detector and detector"):
        build_bundle([file, file], described, base, tmp_path / "bundles")


def test_command_shows_license_digest_and_trial(base: bundle.Bundle, tmp_path: Path) -> None:
    path = published(tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    environment = {"FACE_COMPARISON_BUNDLES": str(tmp_path / "bundles")}
    arguments = ["add", str(path), "--name", "small", "--bundle", str(base.folder), "--sha256", digest]
    ended = CliRunner().invoke(command, arguments, env=environment, catch_exceptions=False)
    assert ended.exit_code == 0
    for message in (f"sha256 {digest}", "license CC0-1.0", "96x96 pixels to 320 numbers", "mirrored: ", "provisional"):
        assert message in ended.output
    manifest = json.loads((tmp_path / "bundles" / "small-1" / bundle.MANIFEST).read_text())
    assert manifest["embedder"]["width"] == 320


def write(folder: Path, change) -> str:
    model = onnx.load_model(published(folder))
    change(model)
    path = folder / "changed.onnx"
    onnx.save_model(model, path)
    return str(path)


def test_other_models_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(InvalidBundle, match="not an ONNX model"):
        read_model(str(tmp_path / "text.onnx"))
    with pytest.raises(InvalidBundle, match="cannot be read: No such file"):
        read_model(str(tmp_path / "none.onnx"))
    with pytest.raises(InvalidBundle, match="not an https:// URL"):
        read_model("http://localhost/model.onnx")
    with pytest.raises(ModelDownloadFailed, match="expected sha256 00"):
        read_model(str(published(tmp_path)), "00")

    def free_size(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "H"

    with pytest.raises(InvalidBundle, match=r"shape \(1, 3, 0, 96\)"):
        read_model(write(tmp_path, free_size))

    def gray(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1

    with pytest.raises(InvalidBundle, match="color images of a fixed square size"):
        read_model(write(tmp_path, gray))


@pytest.mark.parametrize(
    ("described", "message"),
    [
        (ModelDescription("Not A Name"), "name"),
        (ModelDescription("yunet-sface"), "name of another bundle"),
        (ModelDescription("small", alignment="nobody's"), "alignment"),
    ],
)
def test_invalid_descriptions_are_rejected(
    described: ModelDescription, message: str, base: bundle.Bundle, tmp_path: Path
) -> None:
    file = read_model(str(published(tmp_path)))
    with pytest.raises(InvalidBundle, match=message):
        build_bundle([file], described, base, tmp_path / "bundles")
    assert not list((tmp_path / "bundles").glob("*")) or not (tmp_path / "bundles" / "small-1").exists()


def test_embedding_wider_than_hash_is_rejected(base: bundle.Bundle, tmp_path: Path) -> None:
    file = read_model(str(published(tmp_path, width=1024)))
    with pytest.raises(InvalidBundle, match="768"):
        build_bundle([file], ModelDescription("wide"), base, tmp_path / "bundles")


def test_constant_embedder_is_rejected(base: bundle.Bundle, tmp_path: Path) -> None:
    """As with a mean and scale that make every image white."""

    def constant(model: onnx.ModelProto) -> None:
        model.graph.node.insert(2, helper.make_node("Mul", ["row", "nothing"], ["none"]))
        model.graph.node.insert(3, helper.make_node("Add", ["none", "one"], ["same"]))
        model.graph.node[4].input[0] = "same"
        cells = 144 * 3
        model.graph.initializer.append(numpy_helper.from_array(np.zeros((1, cells), np.float32), "nothing"))
        model.graph.initializer.append(numpy_helper.from_array(np.ones((1, cells), np.float32), "one"))

    created = build_bundle(
        [read_model(write(tmp_path, constant))], ModelDescription("same"), base, tmp_path / "bundles"
    )
    with pytest.raises(InvalidBundle, match="the same numbers for every image"):
        try_on_sample(analyzer.build_analyzer(created, device="cpu", every_bucket=False))


def test_provisional_threshold_is_default_angle() -> None:
    assert math.degrees(math.acos(1 - bundle_builder.PROVISIONAL.threshold**2 / 2)) == pytest.approx(66.7, abs=0.1)
