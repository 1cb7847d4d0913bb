"""Engines run networks; the rest of the package knows only `Engine` and `Session`.

Another execution provider is one more file in this folder and one more row in `load`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from face_comparison.errors import AcceleratorUnavailable, InvalidSettings, PackagesMissing

Shape = tuple[int, int, int]
"""A bucket: images in a batch, height, width."""

ENGINES = ("auto", "openvino", "onnxruntime")
DEVICES = ("auto", "cpu", "cuda")


class Session(Protocol):
    """One loaded network, safe to call from several threads at once."""

    def run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        """Runs the network on a batch. The first run of a bucket may take a second.

        Args:
            images: (N, H, W, 3) uint8 RGB, of a shape among the buckets.

        Returns:
            The outputs, in the network's order; owned by the caller.
        """
        ...


class Engine(Protocol):
    """Loads networks on one device.

    Attributes:
        name: As users choose it (`onnxruntime`, `openvino`).
        device: `cpu` or `cuda`.
    """

    name: str
    device: str

    def session(self, network: Path, shapes: Sequence[Shape], *, exact: bool = False) -> Session:
        """Loads a network.

        Args:
            network: An ONNX file.
            shapes: Buckets (images, height, width) that the session will run.
            exact: Computes in float32; otherwise in bfloat16 (8 bits of precision) or TensorFloat-32 (11) where the
                device is faster in them.

        Raises:
            InvalidBundle: The file is not a network that this engine can load.
            AcceleratorUnavailable: It is one, but the accelerator does not accept it.
        """
        ...

    def exact_session(self, network: Path) -> Session | None:
        """Loads a network in float32 for single images of any size, beside sessions that are less precise.

        It takes less memory than a session with many buckets, but runs one image at a time.

        Returns:
            The session, or None if all sessions compute in float32, or in TensorFloat-32, which is nearly as precise.

        Raises:
            InvalidBundle: The file is not a network that this engine can load.
        """
        ...


def load(name: str, device: str, threads: int, *, eager: bool = False, max_copies: int | None = None) -> Engine:
    """Returns the engine for a device.

    The device `auto` means CUDA if it works, otherwise the CPU. The engine `auto` means OpenVINO on a CPU, if it is
    installed (measured 2 to 4 times as fast as onnxruntime's CPU provider), otherwise onnxruntime.

    Args:
        name: `auto`, `onnxruntime`, or `openvino`.
        device: `auto`, `cpu`, or `cuda`, which never falls back to the CPU.
        threads: Concurrent runs on a CPU, each on one core.
        eager: Whether the first run of a bucket prepares it for all threads, which suits a service. Otherwise, it is
            prepared for another thread when it is needed.
        max_copies: Maximum number of copies of each network that threads on a CPU share; None for as many as they need.

    Raises:
        AcceleratorUnavailable: CUDA does not work.
        InvalidSettings: A name is unknown, or the engine does not support the device.
        PackagesMissing: No engine is installed.
    """
    if name not in ENGINES or device not in DEVICES:
        raise InvalidSettings(f"engine is one of {', '.join(ENGINES)}, device one of {', '.join(DEVICES)}")
    if device != "cpu" and name != "openvino":
        try:
            on_gpu: Engine = _onnxruntime().cuda()
        except (AcceleratorUnavailable, PackagesMissing):
            if device == "cuda":
                raise
        else:
            return on_gpu
    if device == "cuda":
        raise AcceleratorUnavailable("the engine openvino has no CUDA provider: use the engine auto or onnxruntime")
    if name != "onnxruntime":
        try:
            from face_comparison.engines import openvino  # noqa: PLC0415

            return openvino.cpu(threads, eager=eager, max_copies=max_copies)
        except ImportError as error:
            if name == "openvino":
                raise InvalidSettings("the engine openvino is not installed: install face-comparison[cpu]") from error
    provider: Engine = _onnxruntime().cpu(threads)
    return provider


def _onnxruntime() -> Any:
    """Returns the provider of onnxruntime, loaded only when it is used."""
    try:
        return import_module("face_comparison.engines.onnxruntime")
    except ModuleNotFoundError as error:
        raise PackagesMissing(
            "no inference engine is installed: install face-comparison with the extra cpu, or gpu for CUDA"
        ) from error
