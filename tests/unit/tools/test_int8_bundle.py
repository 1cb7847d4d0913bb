"""The recipe of the int8 bundle: what layers read, as measured on faces, and the default bundle's other values."""

from __future__ import annotations

import json

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from devtools import accuracy
from devtools.int8_bundle import NAME, measured_ranges, recipe
from face_comparison.models import bundle_store


def network() -> bytes:
    """Two layers: the first passes the image's first channel on, times -1 and times 2."""
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["x"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["x", "w1"], ["first"]),
        helper.make_node("Conv", ["first", "w2"], ["second"]),
    ]
    weights = np.zeros((2, 3, 1, 1), np.float32)
    weights[:, 0, 0, 0] = -1, 2
    constants = {"w1": weights, "w2": np.ones((1, 2, 1, 1), np.float32)}
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 4, 4, 3])],
        [helper.make_tensor_value_info("second", TensorProto.FLOAT, ["N", 1, 4, 4])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=8)
    return bytes(model.SerializeToString())


def test_ranges_of_all_layers_but_the_first_are_means_over_the_faces() -> None:
    faces = [np.full((4, 4, 3), value, np.uint8) for value in (100, 51)]
    found = measured_ranges(network(), faces)
    assert found.keys() == {"second"}
    assert found["second"] == pytest.approx((-75.5, 151))


@pytest.mark.parametrize("name", [bundle_store.DEFAULT, NAME])
def test_strangers_of_the_manifests_are_those_that_were_measured(name: str) -> None:
    record = json.loads(accuracy.record_path(name).read_text())
    stated = json.loads(bundle_store.known_manifests()[name])
    assert record["model"] == f"{name}-{stated['revision']}"
    assert stated["comparison"]["strangers"] == accuracy.strangers(record)


def test_recipe_differs_from_the_default_in_name_embedder_and_comparison() -> None:
    default = json.loads(bundle_store.known_manifests()[bundle_store.DEFAULT])
    made = json.loads(recipe(default, "0" * 64, {"layer": (-1.5, 2.0)}, {"threshold": 1.0, "scale": 0.1}))
    assert made["name"] == NAME
    assert made["embedder"]["origin"] == default["embedder"]["origin"] | {"int8": {"layer": [-1.5, 2.0]}}
    assert made["embedder"]["sha256"] == "0" * 64
    assert made["comparison"] == {"threshold": 1.0, "scale": 0.1}
    assert made["detector"] == default["detector"]
