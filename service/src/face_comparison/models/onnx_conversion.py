"""Converts a published ONNX network to the form that bundles contain, once, when a bundle is built. No I/O.

The form: a single input, uint8 (N, H, W, 3) RGB 0-255, with N (and, if the network allows it, H and W) free; float32
weights. The color order, mean, scale, and layout with which the network was trained become its first nodes, so no
engine or caller repeats them, and images are transferred to an accelerator as bytes, a quarter of the size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from face_comparison.errors import InvalidBundle
from face_comparison.plurals import count_noun


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The published network's input: float32 (N, 3, height, width), `(pixel - mean) * scale`.

    Attributes:
        color: `RGB` or `BGR`.
        mean: Value subtracted from each pixel (0-255).
        scale: Multiplied with each pixel after that.
        height: 0 if the network accepts any multiple of its largest stride.
        width: Like height.
    """

    color: str
    mean: float
    scale: float
    height: int
    width: int


def convert(model: bytes, preprocessing: Preprocessing) -> bytes:
    """Converts a network to the bundle's form. Deterministic: equal input bytes give equal output bytes.

    Raises:
        InvalidBundle: The data is not an ONNX network, or the network has more than one real input.
    """
    try:
        proto = onnx.load_model_from_string(model)
    except Exception as error:  # protobuf raises its own DecodeError, onnx others
        raise InvalidBundle("the file is not an ONNX network") from error
    graph = proto.graph
    _fold_constants(graph)
    _drop_unused_inputs(graph)
    if len(graph.input) != 1:
        raise InvalidBundle(f"the network has {count_noun(len(graph.input), 'input')}, but a bundle's network has one")
    _flatten_embedding(graph)
    _free_batch(graph)
    _prepend_preprocessing(graph, preprocessing)
    del graph.value_info[:]
    proto.producer_name, proto.producer_version, proto.doc_string = "face-comparison", "", ""
    del proto.metadata_props[:]
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString(deterministic=True))


def _fold_constants(graph: onnx.GraphProto) -> None:
    """Replaces DequantizeLinear and Reshape of constants by their results.

    The int8bq files of OpenCV's model zoo contain weights as int8 blocks, which onnxruntime 1.32 does not load.
    """
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    remaining = []
    for node in graph.node:
        if node.op_type in ("DequantizeLinear", "Reshape") and all(name in constants for name in node.input):
            operands = [constants[name] for name in node.input]
            attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
            if node.op_type == "Reshape":
                constants[node.output[0]] = operands[0].reshape(operands[1].tolist())
            else:
                constants[node.output[0]] = _dequantize(*operands, **attributes)
        else:
            remaining.append(node)
    del graph.node[:]
    graph.node.extend(remaining)
    used = {name for node in remaining for name in node.input}
    del graph.initializer[:]
    graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(value), name)
        for name, value in sorted(constants.items())
        if name in used
    )


def _dequantize(
    values: NDArray[np.generic],
    scales: NDArray[np.float32],
    zeros: NDArray[np.generic] | None = None,
    axis: int = 1,
    block_size: int = 0,
) -> NDArray[np.float32]:
    """Computes DequantizeLinear (ONNX opset 21): `(x - zero) * scale`, with a scale per block, axis, or tensor."""

    def spread(block: NDArray[np.generic]) -> NDArray[np.generic]:
        if block_size:
            repeated = np.repeat(block, block_size, axis=axis)
            return np.take(repeated, range(values.shape[axis]), axis=axis)
        if block.ndim == 1 and block.size > 1:
            return block.reshape([-1 if dimension == axis else 1 for dimension in range(values.ndim)])
        return block

    shifted = values.astype(np.float32)
    if zeros is not None:
        shifted = shifted - spread(zeros).astype(np.float32)
    return np.asarray(shifted * spread(scales).astype(np.float32), np.float32)


def _drop_unused_inputs(graph: onnx.GraphProto) -> None:
    """Removes weights from the graph's inputs, where callers could override them and engines would not fold them."""
    constants = {tensor.name for tensor in graph.initializer}
    used = {name for node in graph.node for name in node.input}
    inputs = [value for value in graph.input if value.name in used and value.name not in constants]
    del graph.input[:]
    graph.input.extend(inputs)


def _free_batch(graph: onnx.GraphProto) -> None:
    """Makes the batch size free: a Reshape to batch 1 copies the input's batch size instead (0 in ONNX)."""
    shapes = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    for tensor in graph.initializer:
        if tensor.name in shapes:
            shape = numpy_helper.to_array(tensor).copy()
            if shape.size > 1 and shape[0] == 1:
                shape[0] = 0
                tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
    for value in graph.output:
        for index, dimension in enumerate(value.type.tensor_type.shape.dim):
            # Only the last dimension (channels, coordinates, the embedding's width) is the same for every image.
            if index < len(value.type.tensor_type.shape.dim) - 1:
                dimension.dim_param = "N" if index == 0 else f"{value.name}_{index}"


def _flatten_embedding(graph: onnx.GraphProto) -> None:
    """Flattens the output of an embedder from (N, width, 1, 1) to (N, width)."""
    shape = [dimension.dim_value for dimension in graph.output[0].type.tensor_type.shape.dim]
    if len(graph.output) > 1 or len(shape) <= 2 or any(size != 1 for size in shape[2:]):
        return
    flat = _free_name(graph, "flat")
    graph.node.append(helper.make_node("Flatten", [graph.output[0].name], [flat], axis=1))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(flat, TensorProto.FLOAT, [1, shape[1]]))


def _free_name(graph: onnx.GraphProto, name: str) -> str:
    """Returns a prefix for new nodes that no tensor of the graph begins with."""
    used_names = [value.name for value in (*graph.input, *graph.output, *graph.initializer)]
    used_names += [tensor for node in graph.node for tensor in (*node.input, *node.output)]
    while any(each.startswith(name) for each in used_names):
        name = f"_{name}"
    return name


def _prepend_preprocessing(graph: onnx.GraphProto, preprocessing: Preprocessing) -> None:
    name, image = graph.input[0].name, _free_name(graph, "image")
    shape = ["N", preprocessing.height or "H", preprocessing.width or "W", 3]
    nodes = [helper.make_node("Cast", [image], [f"{image}_float"], to=TensorProto.FLOAT)]
    value = f"{image}_float"

    def constant(label: str, data: NDArray[np.generic]) -> str:
        graph.initializer.append(numpy_helper.from_array(data, label))
        return label

    if preprocessing.color == "BGR":
        order = constant(f"{image}_bgr_order", np.array([2, 1, 0], np.int64))
        nodes.append(helper.make_node("Gather", [value, order], [f"{image}_bgr"], axis=3))
        value = f"{image}_bgr"
    if preprocessing.mean != 0:
        mean = constant(f"{image}_mean", np.array(preprocessing.mean, np.float32))
        nodes.append(helper.make_node("Sub", [value, mean], [f"{image}_centred"]))
        value = f"{image}_centred"
    if preprocessing.scale != 1:
        scale = constant(f"{image}_scale", np.array(preprocessing.scale, np.float32))
        nodes.append(helper.make_node("Mul", [value, scale], [f"{image}_scaled"]))
        value = f"{image}_scaled"
    published = [dimension.dim_value for dimension in graph.input[0].type.tensor_type.shape.dim]
    if len(published) == 4 and published[3] == 3 != published[1]:
        nodes.append(helper.make_node("Identity", [value], [name]))  # channels last, as TensorFlow has them
    else:
        nodes.append(helper.make_node("Transpose", [value], [name], perm=[0, 3, 1, 2]))
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info(image, TensorProto.UINT8, shape))
    remaining = list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes + remaining)
