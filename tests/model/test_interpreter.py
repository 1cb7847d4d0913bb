"""The benchmark of the interpreter lock runs the pipeline without its networks and its decoder."""

from importlib import resources

import numpy as np
import pytest

from face_comparison.benchmark import interpreter
from face_comparison.image import Header, Reduce, decode
from face_comparison.vision.bundle import Bundle


def test_replay_runs_networks_once(default_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []

    def counted(data: bytes, header: Header, reduce: Reduce = 1) -> np.ndarray:
        decoded.append(1)
        return decode(data, header, reduce)

    monkeypatch.setattr(interpreter, "decode", counted)
    image = resources.files("face_comparison").joinpath("sample.jpg").read_bytes()
    assert interpreter.lock_time(default_bundle, [image], 20) > 0
    assert len(decoded) == 1
