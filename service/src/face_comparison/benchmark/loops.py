"""Contenders without HTTP: this package's pipeline, and OpenCV's own, in plain loops over images in memory."""

from __future__ import annotations

import itertools
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx

from face_comparison.vision.analyzer import ImageAnalyzer
from face_comparison.vision.bundle import Bundle

Work = Callable[[bytes], object]


def loop(work: Sequence[Work], images: Sequence[bytes], total: int) -> float:
    """Returns the seconds that `total` images take, cycling through `images`, with a thread per function in `work`."""
    counter = itertools.count()

    def worker(step: Work) -> None:
        while (index := next(counter)) < total:
            step(images[index % len(images)])

    threads = [threading.Thread(target=worker, args=(step,)) for step in work]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start


def pipeline(analyzer: ImageAnalyzer, threads: int) -> list[Work]:
    """Returns the plain pipeline as the work of each of `threads` threads."""
    return [analyzer.analyze] * threads


def opencv(bundle: Bundle, threads: int) -> list[Work]:
    """Returns OpenCV's FaceDetectorYN and FaceRecognizerSF as the work of each thread.

    Each thread has its own pair, with the weights of the bundle and its maximum longer side.
    """
    with tempfile.TemporaryDirectory() as scratch:
        detector, embedder = Path(scratch) / "detector.onnx", Path(scratch) / "embedder.onnx"
        side = bundle.manifest.detector.sides[-1]
        detector.write_bytes(_as_opencv_takes_it(bundle.detector, side))
        embedder.write_bytes(_as_opencv_takes_it(bundle.embedder, bundle.manifest.embedder.side))
        return [_opencv_step(detector, embedder, side) for _ in range(threads)]


def _opencv_step(detector: Path, embedder: Path, side: int) -> Work:
    find = cv2.FaceDetectorYN.create(str(detector), "", (side, side), 0.6, 0.3, 100)
    recognize = cv2.FaceRecognizerSF.create(str(embedder), "")

    def step(data: bytes) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError("OpenCV cannot decode the image")
        scale = min(1.0, side / max(image.shape[:2]))
        view = cv2.resize(image, None, fx=scale, fy=scale)
        find.setInputSize((view.shape[1], view.shape[0]))  # as in OpenCV's samples, and faster than a padded square
        _, faces = find.detect(view)
        found = [] if faces is None else faces
        return [
            np.asarray(recognize.feature(recognize.alignCrop(image, face[:14] / scale)), np.float32) for face in found
        ]

    return step


def _as_opencv_takes_it(network: Path, side: int) -> bytes:
    """Returns the network without the preprocessing nodes of the bundle.

    Its input is then float (1, 3, side, side), which OpenCV's classes provide.
    """
    model = onnx.load(network)
    graph = model.graph
    last = next(index for index, node in enumerate(graph.node) if node.op_type == "Transpose")
    name = graph.node[last].output[0]
    remaining = list(graph.node)[last + 1 :]
    del graph.node[:]
    graph.node.extend(remaining)
    del graph.input[:]
    graph.input.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, side, side]))
    used = {name for node in remaining for name in node.input}
    constants = [constant for constant in graph.initializer if constant.name in used]
    del graph.initializer[:]
    graph.initializer.extend(constants)
    return bytes(model.SerializeToString())
