"""Views whose rounding errors could change a hash are computed again in float32."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

from devtools import stability
from devtools.photos import samples
from devtools.stability import Precision
from face_comparison import engines
from face_comparison.engines.openvino import OpenVinoEngine
from face_comparison.vision import recognizer
from face_comparison.vision.bundle import Bundle
from face_comparison.vision.rounding import is_sensitive_to_rounding

SIZES = ((1, 160, 256), (1, 352, 416), (1, 256, 160))
ROUNDING = 2.0**-10
"""Relative error, standard deviation, of the outputs for a view: about that of bfloat16."""


class _CoreWithBfloat16:
    """OpenVINO's core as on a CPU that computes in bfloat16 by itself."""

    def __init__(self, core: openvino.Core) -> None:
        self._core = core

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)

    def get_property(self, device: str, name: str) -> openvino.Type:
        assert (device, name) == ("CPU", "INFERENCE_PRECISION_HINT")
        return openvino.Type.bf16


@pytest.fixture
def detector(default_bundle: Bundle) -> Path:
    return default_bundle.detector


def test_session_for_any_size_computes_in_float32(detector: Path) -> None:
    engine = OpenVinoEngine(1)
    engine._core = _CoreWithBfloat16(engine._core)
    session = engine.exact_session(detector)
    assert session is not None
    exact = engine.session(detector, SIZES, exact=True)
    random = np.random.default_rng(1)
    images = [random.integers(0, 256, (*size, 3), dtype=np.uint8) for size in SIZES]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(session.run, images * 4))
    for outputs, image in zip(found, images * 4, strict=True):
        for one, other in zip(outputs, exact.run(image), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)


def test_engine_that_computes_in_float32_has_no_second_session(detector: Path) -> None:
    assert engines.load("onnxruntime", "cpu", 1).exact_session(detector) is None
    core = openvino.Core()
    in_float32 = core.get_property("CPU", "INFERENCE_PRECISION_HINT") == openvino.Type.f32
    assert (OpenVinoEngine(1).exact_session(detector) is None) is in_float32


def test_hash_is_that_of_float32_in_spite_of_rounding_errors(
    default_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two candidates for this face score 0.927 and 0.924: the errors decide which of them wins."""
    data = samples.photographs()["biden.jpg"].read_bytes()
    (expected,) = stability.build(default_bundle, Precision()).analyze(data).faces
    judgments: list[bool] = []

    def judged(*given: Any) -> bool:
        judgments.append(is_sensitive_to_rounding(*given))
        return judgments[-1]

    monkeypatch.setattr(recognizer, "is_sensitive_to_rounding", judged)
    (found,) = stability.build(default_bundle, Precision(noise=ROUNDING)).analyze(data).faces
    np.testing.assert_array_equal(found.hash, expected.hash)
    assert True in judgments
