"""Layers in int8 compute nearly what they did in float32, and the same bytes come of it everywhere."""

import os
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from face_comparison.errors import InvalidBundle
from face_comparison.models.quantization import fold_normalization, quantize

RNG = np.random.default_rng(3)
CONSTANTS: dict[str, np.ndarray] = {
    "w1": RNG.normal(size=(6, 3, 3, 3)),
    "w2": RNG.normal(size=(6, 1, 3, 3)),
    "w3": RNG.normal(size=(5, 6 * 8 * 8)) / 20,
    "b3": RNG.normal(size=5),
    "slope": RNG.uniform(0, 0.5, (6, 1, 1)),
}
for _name in ("n1", "n2"):
    CONSTANTS |= {f"{_name}_gamma": RNG.uniform(0.5, 2, 6), f"{_name}_beta": RNG.normal(size=6)}
    CONSTANTS |= {f"{_name}_mean": RNG.normal(size=6), f"{_name}_variance": RNG.uniform(1, 9, 6)}


def normalization(name: str, reads: str, writes: str) -> onnx.NodeProto:
    parts = [f"{name}_{part}" for part in ("gamma", "beta", "mean", "variance")]
    return helper.make_node("BatchNormalization", [reads, *parts], [writes], epsilon=1e-3)


NODES = [
    helper.make_node("Conv", ["x", "w1"], ["first"], pads=[1, 1, 1, 1]),
    normalization("n1", "first", "normal"),
    helper.make_node("PRelu", ["normal", "slope"], ["bent"]),
    helper.make_node("Conv", ["bent", "w2"], ["second"], group=6, pads=[1, 1, 1, 1]),
    normalization("n2", "second", "features"),
    helper.make_node("Flatten", ["features"], ["flat"]),
    helper.make_node("Gemm", ["flat", "w3", "b3"], ["y"], transB=1),
]
IMAGES = RNG.normal(size=(4, 3, 8, 8)).astype(np.float32)


def network(nodes: list[onnx.NodeProto] = NODES, output: str = "y", opset: int = 21, **constants: np.ndarray) -> bytes:
    values = {name: value.astype(np.float32) for name, value in (CONSTANTS | constants).items()}
    used = {name for node in nodes for name in node.input}
    shape = ["N", 5] if nodes[-1].op_type == "Gemm" else ["N", 6, "H", "W"]
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(value, name) for name, value in values.items() if name in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return bytes(model.SerializeToString())


def run_all(model: bytes, images: np.ndarray = IMAGES) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": images})


def run(model: bytes, images: np.ndarray = IMAGES) -> np.ndarray:
    return run_all(model, images)[0]


def graph(model: bytes) -> onnx.GraphProto:
    return onnx.load_model_from_string(model).graph


def operators(model: bytes) -> list[str]:
    return [node.op_type for node in graph(model).node]


def constants(model: bytes) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph(model).initializer}


def ranges() -> dict[str, tuple[float, float]]:
    """What the second and the third layer read."""
    read = {name: run(network(NODES[:count], name)) for name, count in (("bent", 3), ("features", 5))}
    return {
        layer: (float(read[name].min()), float(read[name].max()))
        for layer, name in (("second", "bent"), ("y", "features"))
    }


def error(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def test_quantized_network_computes_nearly_the_same() -> None:
    made = quantize(network(), ranges())
    assert 0 < error(run(made), run(network())) < 0.02


def test_only_the_named_layers_are_quantized() -> None:
    made = quantize(network(), {"y": ranges()["y"]})
    assert operators(made).count("QuantizeLinear") == 1
    assert [value.shape for value in constants(made).values() if value.dtype == np.int8 and value.ndim > 1] == [
        (5, 384)
    ]
    assert constants(made)["first_folded"].dtype == np.float32


def test_each_output_channel_has_a_scale_of_its_own() -> None:
    weights = np.random.default_rng(5).normal(size=(6, 1, 3, 3)) * np.logspace(-5, 0, 6).reshape(-1, 1, 1, 1)
    limits = {"second": ranges()["second"]}
    made, plain = (
        run(model).reshape(4, 6, -1).transpose(1, 0, 2)
        for model in (
            quantize(network(NODES[:4], "second", w2=weights), limits),
            network(NODES[:4], "second", w2=weights),
        )
    )
    assert max(error(*channel) for channel in zip(made, plain, strict=True)) < 0.02


def test_a_channel_of_zeros_stays_zero() -> None:
    weights = CONSTANTS["w2"].copy()
    weights[2] = 0
    made = run(quantize(network(NODES[:4], "second", w2=weights), {"second": (-5, 5)}))
    assert not made[:, 2].any()
    assert np.isfinite(made).all()


@pytest.mark.parametrize("limits", [(0.4, 5.0), (-5.0, -0.4), (-1.0, 3.0)])
def test_zero_is_read_as_exactly_zero(limits: tuple[float, float]) -> None:
    nodes = [helper.make_node("Conv", ["x", "w1"], ["first"], pads=[1, 1, 1, 1])]
    made = quantize(network(nodes, "first"), {"first": limits})
    assert not run(made, np.zeros_like(IMAGES)).any()


def test_values_beyond_the_range_are_cut_off() -> None:
    nodes = [helper.make_node("Conv", ["x", "w1"], ["first"])]
    made = quantize(network(nodes, "first"), {"first": (-1.0, 1.0)})
    expected = run(network(nodes, "first"), np.ones_like(IMAGES))
    assert error(run(made, np.full_like(IMAGES, 40)), expected) < 0.02


def test_a_gemm_that_is_not_transposed_has_a_scale_per_column() -> None:
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("Gemm", ["flat", "w"], ["y"])]
    weights = np.random.default_rng(5).normal(size=(192, 5)) * np.logspace(-4, 0, 5)
    made, plain = (
        run(model).T for model in (quantize(network(nodes, w=weights), {"y": (-4, 4)}), network(nodes, w=weights))
    )
    assert max(error(*column) for column in zip(made, plain, strict=True)) < 0.05


def test_normalization_after_a_layer_is_folded_into_it() -> None:
    made = fold_normalization(network())
    assert operators(made) == ["Conv", "PRelu", "Conv", "Flatten", "Gemm"]
    np.testing.assert_allclose(run(made), run(network()), rtol=1e-4, atol=1e-4)


def test_normalization_of_the_output_is_folded_and_the_output_keeps_its_name() -> None:
    nodes = [NODES[0], normalization("n1", "first", "y")]
    made = fold_normalization(network(nodes))
    assert operators(made) == ["Conv", "Identity"]
    np.testing.assert_allclose(run(made), run(network(nodes)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "nodes",
    [
        [NODES[0], normalization("n1", "first", "normal"), helper.make_node("Add", ["first", "normal"], ["y"])],
        [NODES[0], helper.make_node("PRelu", ["first", "slope"], ["bent"]), normalization("n1", "bent", "y")],
    ],
    ids=["layer with another reader", "no layer before it"],
)
def test_normalization_that_cannot_be_folded_stays(nodes: list[onnx.NodeProto]) -> None:
    made = fold_normalization(network(nodes))
    assert "BatchNormalization" in operators(made)
    np.testing.assert_allclose(run(made), run(network(nodes)), rtol=1e-4, atol=1e-4)


def test_layer_whose_values_are_an_output_stays() -> None:
    model = onnx.load_model_from_string(network(NODES[:2], "normal"))
    model.graph.output.append(helper.make_tensor_value_info("first", TensorProto.FLOAT, ["N", 6, "H", "W"]))
    plain = model.SerializeToString()
    folded = fold_normalization(plain)
    for made, expected in zip(run_all(folded), run_all(plain), strict=True):
        np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-4)


def test_equal_input_gives_equal_bytes_in_every_process() -> None:
    program = (
        "import sys; from face_comparison.models.quantization import quantize; "
        f"sys.stdout.buffer.write(quantize(sys.stdin.buffer.read(), {ranges()!r}))"
    )
    environ = {**os.environ, "PYTHONHASHSEED": "1"}
    other = subprocess.run(
        [sys.executable, "-c", program], input=network(), capture_output=True, check=True, env=environ
    )
    assert other.stdout == quantize(network(), ranges())


@pytest.mark.parametrize("name", ["bent", "no such layer"])
def test_a_name_that_is_not_a_layer_is_rejected(name: str) -> None:
    with pytest.raises(InvalidBundle, match=f"no layer {name}"):
        quantize(network(), {name: (0, 1)})


def test_an_operator_set_without_scales_per_channel_is_rejected() -> None:
    with pytest.raises(InvalidBundle, match="opset 13"):
        quantize(network(NODES[:1], "first", opset=12), {"first": (-1, 1)})
