"""The page about platforms describes the wheels of the locked dependencies correctly."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from devtools import ROOT

LOCK: dict[str, dict[str, Any]] = {
    package["name"]: package for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]
}
EXTRAS = ("cpu", "heif", "s3", "album", "evaluate", "postgres")


def dependencies(name: str, extras: tuple[str, ...], found: set[str]) -> set[str]:
    """Returns the names of a package's transitive dependencies."""
    package = LOCK[name]
    expected = list(package.get("dependencies", ()))
    for extra in extras:
        expected += package.get("optional-dependencies", {}).get(extra, ())
    for each in expected:
        if each["name"] not in found:
            found.add(each["name"])
            dependencies(each["name"], tuple(each.get("extra", ())), found)
    return found


@pytest.mark.parametrize(
    ("tag", "missing"),
    [
        (r"manylinux\w*_x86_64", set()),
        (r"manylinux\w*_aarch64", set()),
        (r"macosx_\w+_(arm64|universal2)", set()),
        (r"macosx_\w+_(x86_64|universal2)", {"onnxruntime", "openvino"}),
    ],
    ids=["Linux x86-64", "Linux arm64", "macOS arm64", "macOS x86-64"],
)
def test_dependencies_have_wheels_as_the_page_says(tag: str, missing: set[str]) -> None:
    needed = dependencies("face-comparison", EXTRAS, set())
    assert {"onnxruntime", "openvino", "opencv-python-headless"} <= needed
    lacking = set()
    for name in needed:
        wheels = [each["url"].rsplit("/", 1)[-1] for each in LOCK[name].get("wheels", ())]
        if not any("none-any" in wheel or re.search(tag, wheel) for wheel in wheels):
            lacking.add(name)
    assert lacking == missing
