"""The samples of README.md and of the page on calling the service, run against the service."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.served import Served

ROOT = Path(__file__).parents[2]
PAGES = "\n".join((ROOT / name).read_text() for name in ("README.md", "docs/how-to/call-the-service.md"))


@pytest.fixture(scope="module")
def service() -> Iterator[Served]:
    served = Served([str(Path(sys.executable).with_name("face-comparison")), "serve"], {})
    try:
        yield served.wait_ready()
        served.signal(signal.SIGTERM)
        assert served.wait_end() == 0
    finally:
        served.end()


def block(mark: str) -> str:
    found = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```", PAGES, re.DOTALL)
    assert found, mark
    return found[1]


def output(name: str, service: Served) -> str:
    code = block(f"sample {name}").replace("http://127.0.0.1:8080", service.url)
    program = [sys.executable, "-c", code] if name in ("python", "client") else ["bash", "-eu", "-c", code]
    environ = os.environ | {"no_proxy": "127.0.0.1"}
    done = subprocess.run(program, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def alike(shown: Any, real: Any) -> bool:
    """Returns whether two values have the same shape and text, and numbers within 0.01; `… n more` ends a list."""
    if isinstance(shown, dict):
        return isinstance(real, dict) and list(shown) == list(real) and all(alike(shown[k], real[k]) for k in shown)
    if isinstance(shown, list):
        if shown and isinstance(shown[-1], str) and (cut := re.fullmatch(r"… (\d+) more", shown[-1])):
            return len(real) == len(shown) - 1 + int(cut[1]) and alike(shown[:-1], real[: len(shown) - 1])
        return len(shown) == len(real) and all(alike(*pair) for pair in zip(shown, real, strict=True))
    if isinstance(shown, float):
        return bool(np.isclose(shown, real, rtol=0.02, atol=0.01))
    return bool(shown == real)


def test_first_request_returns_the_documented_response(service: Served) -> None:
    assert alike(json.loads(block("reply")), json.loads(output("curl", service)))


def test_python_sample_prints_the_face(service: Served) -> None:
    printed = output("python", service)
    assert printed.startswith("{'Left': 0.37")
    assert printed.endswith(" 768\n")


def test_image_matches_itself(service: Served) -> None:
    (target,) = json.loads(output("compare", service))["Targets"]
    assert target["SamePerson"] is True
    assert target["Distance"] < 0.01
    assert target["Confidence"] > 0.999


def test_client_sample_prints_a_verdict(service: Served) -> None:
    assert output("client", service).startswith("[(True, ")
