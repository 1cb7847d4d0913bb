"""Conversion keeps what a network computes: onnxruntime runs both sides."""

import os
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from face_comparison.errors import InvalidBundle
from face_comparison.models.onnx_conversion import Preprocessing, convert

RGB = Preprocessing("RGB", 0.0, 1.0, 8, 8)


def network(
    nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], outputs: list[int], extra: tuple[str, ...] = ()
):
    """A published network: float (1, 3, 8, 8) in, y out; `extra` constants are listed as inputs, too."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])]
    inputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, constants[name].shape) for name in extra]
    graph = helper.make_graph(
        nodes,
        "published",
        inputs,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, outputs)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


def run(model: bytes, feed: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: feed})[0]


WEIGHTS = np.random.default_rng(1).normal(size=(4, 3, 3, 3)).astype(np.float32)
IMAGES = np.random.default_rng(2).integers(0, 256, (5, 8, 8, 3)).astype(np.uint8)
CONV = [helper.make_node("Conv", ["x", "w"], ["y"])]


@pytest.mark.parametrize("color", ["RGB", "BGR"])
@pytest.mark.parametrize(("mean", "scale"), [(0.0, 1.0), (127.5, 1 / 127.5)])
def test_converted_network_accepts_rgb_bytes(color: str, mean: float, scale: float) -> None:
    published = network(CONV, {"w": WEIGHTS}, [1, 4, 6, 6])
    mine = run(convert(published, Preprocessing(color, mean, scale, 8, 8)), IMAGES)
    assert mine.shape == (5, 4, 6, 6)
    for image, result in zip(IMAGES, mine, strict=True):
        pixels = image[:, :, ::-1] if color == "BGR" else image
        feed = ((pixels.astype(np.float32) - np.float32(mean)) * np.float32(scale)).transpose(2, 0, 1)[None]
        np.testing.assert_allclose(run(published, np.ascontiguousarray(feed))[0], result, atol=2e-3, rtol=1e-4)


def test_overridable_weights_become_constants() -> None:
    model = onnx.load_model_from_string(convert(network(CONV, {"w": WEIGHTS}, [1, 4, 6, 6], extra=("w",)), RGB))
    assert [value.name for value in model.graph.input] == ["image"]


@pytest.mark.parametrize("zero", [0, -3])
def test_blockwise_int8_weights_are_dequantized(zero: int) -> None:
    rng = np.random.default_rng(4)
    blocks = rng.integers(-100, 100, (4, 27)).astype(np.int8)
    scales = rng.uniform(0.01, 0.1, (4, 3)).astype(np.float32)
    zeros = np.full((4, 3), zero, np.int8)
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"], axis=1, block_size=9),
        helper.make_node("Reshape", ["d", "shape"], ["w"]),
        *CONV,
    ]
    constants: dict[str, np.ndarray] = {"q": blocks, "s": scales, "z": zeros, "shape": np.array([4, 3, 3, 3], np.int64)}
    result = convert(network(nodes, constants, [1, 4, 6, 6]), RGB)
    assert {node.op_type for node in onnx.load_model_from_string(result).graph.node} == {"Cast", "Transpose", "Conv"}
    weights = ((blocks.astype(np.float32) - zero) * np.repeat(scales, 9, axis=1)).reshape(4, 3, 3, 3)
    plain = network(CONV, {"w": weights}, [1, 4, 6, 6])
    feed = np.ascontiguousarray(IMAGES[:1].astype(np.float32).transpose(0, 3, 1, 2))
    np.testing.assert_allclose(run(result, IMAGES[:1]), run(plain, feed), rtol=1e-4, atol=1e-3)


def test_fixed_batch_reshape_accepts_any_batch() -> None:
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Reshape", ["c", "shape"], ["y"])]
    published = network(nodes, {"w": WEIGHTS, "shape": np.array([1, -1, 4], np.int64)}, [1, 36, 4])
    together = run(convert(published, RGB), IMAGES)
    assert together.shape == (5, 36, 4)
    for image, result in zip(IMAGES, together, strict=True):
        np.testing.assert_allclose(run(convert(published, RGB), image[None])[0], result, rtol=1e-5)


def test_conversion_is_deterministic_across_processes() -> None:
    """Bundles are pinned by digest. Another process has another hash seed, which would reorder a set."""
    published = network(CONV, {"w": WEIGHTS}, [1, 4, 6, 6])
    program = (
        "import sys; from face_comparison.models.onnx_conversion import Preprocessing, convert; "
        "sys.stdout.buffer.write(convert(sys.stdin.buffer.read(), Preprocessing('RGB', 0.0, 1.0, 8, 8)))"
    )
    command = [sys.executable, "-c", program]
    environ = {**os.environ, "PYTHONHASHSEED": "1"}
    other = subprocess.run(command, input=published, capture_output=True, check=True, env=environ)
    assert other.stdout == convert(published, RGB)


def test_invalid_network_is_rejected() -> None:
    with pytest.raises(InvalidBundle, match="not an ONNX network"):
        convert(b"GIF89a, surely", RGB)


def test_network_with_two_real_inputs_is_rejected() -> None:
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "z"], ["y"])],
        "two",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in "xz"],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 8, 8])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    with pytest.raises(InvalidBundle, match="2 inputs"):
        convert(model.SerializeToString(), RGB)
