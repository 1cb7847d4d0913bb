"""Let layers of a network compute in int8: static quantization, by the ranges of values that a recipe states.

Weights become int8 with one scale per output channel, what a layer reads becomes uint8 by its range, and ONNX's
QuantizeLinear and DequantizeLinear say so in the graph, as engines that compute in int8 expect it. Nothing is measured
here, and no sum is taken whose last digit depends on the processor: equal inputs give equal bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from face_comparison.errors import InvalidBundle

LAYERS = ("Conv", "Gemm")
"""Operators that can compute in int8."""

_MIN_OPSET = 13
"""The first whose DequantizeLinear takes a scale per channel."""

_Constants = dict[str, NDArray[np.generic]]


def quantize(network: bytes, ranges: Mapping[str, tuple[float, float]]) -> bytes:
    """Returns a network of a bundle with some of its layers in int8.

    Args:
        network: ONNX, in float32.
        ranges: Lowest and highest value that a layer reads, by the layer's output. What lies beyond is cut off. Layers
            that are not named stay in float32.

    Raises:
        InvalidBundle: The network has no such layer, or is written for an operator set that is too old.
    """
    model = onnx.load_model_from_string(fold_normalization(network))
    if any(opset.domain == "" and opset.version < _MIN_OPSET for opset in model.opset_import):
        raise InvalidBundle(f"a network in int8 needs ONNX opset {_MIN_OPSET} or newer")
    constants = _constants(model.graph)
    layers = {node.output[0] for node in model.graph.node if node.op_type in LAYERS and node.input[1] in constants}
    if unknown := sorted(ranges.keys() - layers):
        raise InvalidBundle(f"the network has no layer {', '.join(unknown)} that could compute in int8")
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        if node.op_type in LAYERS and node.output[0] in ranges:
            nodes += _quantize_input(node, ranges[node.output[0]], constants)
            nodes.append(_quantize_weights(node, constants))
        nodes.append(node)
    return _written(model, nodes, constants)


def fold_normalization(network: bytes) -> bytes:
    """Returns the network with every batch normalization that directly follows a layer folded into the layer.

    Weights must be in their final form before they are quantized.
    """
    model = onnx.load_model_from_string(network)
    constants = _constants(model.graph)
    readers: dict[str, int] = {}
    read = [name for node in model.graph.node for name in node.input]
    for name in [*read, *(output.name for output in model.graph.output)]:
        readers[name] = readers.get(name, 0) + 1
    layers = {node.output[0]: node for node in model.graph.node if node.op_type in LAYERS}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        layer = layers.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if layer is None or readers[node.input[0]] > 1 or not _fold(node, layer, constants):
            nodes.append(node)
            continue
        for reader in model.graph.node:
            reader.input[:] = [layer.output[0] if name == node.output[0] else name for name in reader.input]
        for output in model.graph.output:
            if output.name == node.output[0]:
                nodes.append(helper.make_node("Identity", [layer.output[0]], [output.name]))
    return _written(model, nodes, constants)


def _fold(normalization: onnx.NodeProto, layer: onnx.NodeProto, constants: _Constants) -> bool:
    """Multiplies a layer's weights, and changes its bias, as a batch normalization would; whether it could."""
    attributes = {item.name: helper.get_attribute_value(item) for item in layer.attribute}
    transposed = layer.op_type == "Conv" or attributes.get("transB")  # output channels first
    plain = attributes.get("alpha", 1.0) == attributes.get("beta", 1.0) == 1.0
    if not transposed or not plain or any(name not in constants for name in layer.input[1:]):
        return False
    gamma, beta, mean, variance = (constants[name].astype(np.float64) for name in normalization.input[1:5])
    epsilon = next((item.f for item in normalization.attribute if item.name == "epsilon"), 1e-5)
    scale = gamma / np.sqrt(variance + epsilon)
    weights = constants[layer.input[1]].astype(np.float64)
    bias = constants[layer.input[2]].astype(np.float64) if len(layer.input) > 2 else np.zeros_like(mean)
    names = f"{layer.output[0]}_folded", f"{layer.output[0]}_bias"
    constants[names[0]] = (weights * scale.reshape(-1, *[1] * (weights.ndim - 1))).astype(np.float32)
    constants[names[1]] = ((bias - mean) * scale + beta).astype(np.float32)
    layer.input[:] = [layer.input[0], *names]
    return True


def _quantize_input(
    layer: onnx.NodeProto, limits: tuple[float, float], constants: _Constants
) -> tuple[onnx.NodeProto, onnx.NodeProto]:
    """Lets a layer read uint8 in place of float32. Zero stays exactly zero: convolutions pad with it."""
    low, high = min(limits[0], 0.0), max(limits[1], 0.0)
    scale = np.float32((high - low) / 255)
    name = f"{layer.output[0]}_in"
    constants[f"{name}_scale"] = np.array(scale, np.float32)
    constants[f"{name}_zero"] = np.array(round(-low / float(scale)), np.uint8)
    by = [f"{name}_scale", f"{name}_zero"]
    quantize = helper.make_node("QuantizeLinear", [layer.input[0], *by], [f"{name}_uint8"])
    layer.input[0] = f"{name}_float"
    return quantize, helper.make_node("DequantizeLinear", [f"{name}_uint8", *by], [f"{name}_float"])


def _quantize_weights(layer: onnx.NodeProto, constants: _Constants) -> onnx.NodeProto:
    weights = constants[layer.input[1]].astype(np.float64)
    transposed = layer.op_type == "Conv" or any(item.name == "transB" and item.i for item in layer.attribute)
    axis = 0 if transposed else 1  # of the output channels
    others = tuple(dimension for dimension in range(weights.ndim) if dimension != axis)
    largest = np.abs(weights).max(axis=others, keepdims=True)
    scales = np.where(largest > 0, largest / 127, 1.0).astype(np.float32)
    name = f"{layer.output[0]}_weights"
    constants[f"{name}_int8"] = np.clip(np.rint(weights / scales), -127, 127).astype(np.int8)
    constants[f"{name}_scales"] = scales.reshape(-1)
    constants[f"{name}_zeros"] = np.zeros(scales.size, np.int8)
    inputs = [f"{name}_int8", f"{name}_scales", f"{name}_zeros"]
    layer.input[1] = f"{name}_float"
    return helper.make_node("DequantizeLinear", inputs, [f"{name}_float"], axis=axis)


def _constants(graph: onnx.GraphProto) -> _Constants:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def _written(model: onnx.ModelProto, nodes: list[onnx.NodeProto], constants: _Constants) -> bytes:
    """The model with these nodes, and of the constants those that they read."""
    graph = model.graph
    used = {name for node in nodes for name in node.input}
    remaining = list(nodes)
    del graph.node[:]
    graph.node.extend(remaining)
    del graph.initializer[:]
    graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in sorted(constants.items()) if name in used
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))
