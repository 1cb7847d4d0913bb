"""The default bundle on a GPU: the same faces and hashes as on a CPU, in batches across requests.

Skipped where onnxruntime has no CUDA provider: then `tests/unit/service/test_engines.py` shows that it is refused.
"""

from concurrent.futures import ThreadPoolExecutor
from importlib import resources

import numpy as np
import onnxruntime
import pytest

from face_comparison.vision import embedding
from face_comparison.vision.analyzer import ImageAnalyzer, build_analyzer
from face_comparison.vision.bundle import Bundle

pytestmark = pytest.mark.skipif(
    "CUDAExecutionProvider" not in onnxruntime.get_available_providers(),
    reason="this onnxruntime has no CUDA: it needs face-comparison[gpu] and a machine with an NVIDIA GPU",
)

SAMPLE = resources.files("face_comparison").joinpath("sample.jpg").read_bytes()


def test_gpu_matches_cpu_and_batches_requests(default_bundle: Bundle, analyzer: ImageAnalyzer) -> None:
    batches: list[tuple[str, int]] = []
    gpu = build_analyzer(default_bundle, device="cuda", on_batch=lambda *batch: batches.append(batch))
    assert gpu.model.device == "cuda"
    gpu.warm_up()
    (expected,) = analyzer.analyze(SAMPLE).faces
    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(lambda _: gpu.analyze(SAMPLE).faces, range(256)))
    for (face,) in found:
        assert embedding.distance(face.hash, expected.hash) < 0.05
        np.testing.assert_allclose(face.landmarks, expected.landmarks, atol=1)
    assert max(size for network, size in batches if network == "embedder") > 1
