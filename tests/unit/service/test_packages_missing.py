"""A package without its extras says which one is missing, in a sentence and not in a traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest

from devtools import ROOT
from devtools.k8s.ports import free_ports

SAMPLE = str(ROOT / "service" / "src" / "face_comparison" / "sample.jpg")
# The program with packages that cannot be imported, as where they are not installed.
PROGRAM = """
import sys
from importlib.metadata import entry_points
for name in sys.argv.pop(1).split(","):
    sys.modules[name] = None
(program,) = entry_points(group="console_scripts", name="face-comparison")
program.load()()
"""


def run(missing: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line without some packages."""
    command = [sys.executable, "-c", PROGRAM, missing, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "arguments",
    [("detect", SAMPLE), ("compare", SAMPLE, SAMPLE), ("detect", "--device=cuda", SAMPLE), ("serve", "--workers=1")],
    ids=" ".join,
)
def test_missing_engine_is_reported(arguments: tuple[str, ...]) -> None:
    port = (f"--port={free_ports(1)[0]}",) if arguments[0] == "serve" else ()
    result = run("onnxruntime,openvino", *arguments, *port)
    assert result.returncode == 2
    assert (
        "no inference engine is installed: install face-comparison with the extra cpu, or gpu for CUDA" in result.stderr
    )
    assert "Traceback" not in result.stderr + result.stdout


def test_one_engine_is_enough() -> None:
    assert run("openvino", "detect", SAMPLE).returncode == 0


def test_missing_benchmark_packages_are_reported() -> None:
    result = run("psutil", "bench")
    assert result.returncode == 2
    assert "with the extra bench" in result.stderr
    assert "Traceback" not in result.stderr
