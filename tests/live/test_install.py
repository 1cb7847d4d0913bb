"""The wheel in an environment of its own, as docs/how-to/install.md says, and that no page names what nobody has."""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from devtools import ROOT
from devtools.photos import samples

TOOLS = ROOT / ".venv" / "tools" / "bin"
VERSION = tomllib.loads((ROOT / "service" / "pyproject.toml").read_text())["project"]["version"]
WHEEL = f"face_comparison-{VERSION}-py3-none-any.whl"
EXTRAS = tomllib.loads((ROOT / "service" / "pyproject.toml").read_text())["project"]["optional-dependencies"]
PAGES = [
    ROOT / "README.md",
    ROOT / "README.zh.md",
    ROOT / "service" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make wheels` builds, by the same program."""
    folder = tmp_path_factory.mktemp("wheels")
    command = [str(TOOLS / "hatchling"), "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT / "service", check=True, capture_output=True, timeout=120)
    return folder / WHEEL


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of an environment that holds the wheel; its dependencies are those of this one, but not its packages
    in development."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    install = ["-m", "pip", "--python", str(folder), "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run([str(TOOLS / "python"), *install], check=True, capture_output=True, timeout=120)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "face-comparison"


def run(program: Path, *arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=folder, env=environ)


def test_the_wheel_compares_a_pair(program: Path, tmp_path: Path) -> None:
    photographs = samples.photographs("obama.jpg", "obama2.jpg", "biden.jpg")
    same = run(program, "compare", photographs["obama.jpg"], photographs["obama2.jpg"], folder=tmp_path)
    assert (same.returncode, same.stderr) == (0, "")
    assert "same person" in same.stdout
    assert run(program, "compare", photographs["obama.jpg"], photographs["biden.jpg"], folder=tmp_path).returncode == 1
    python = program.with_name("python")
    where = run(python, "-c", "import face_comparison; print(face_comparison.__file__)", folder=tmp_path).stdout
    assert where.startswith(str(program.parents[1]))


def test_the_wheel_has_license_notice_and_description(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        described = email.message_from_bytes(opened.read(metadata))
    for name in ("LICENSE", "NOTICE"):
        assert any(each.endswith(f".dist-info/licenses/{name}") for each in names)
    assert described["License-Expression"] == "Apache-2.0"
    assert described["Description-Content-Type"].startswith("text/markdown")
    assert "# face-comparison" in described.get_payload()
    assert not [name for name in names if name.startswith("face_comparison/explorer/explorer.")]


SLIM = """
import sys
for name in ("cv2", "onnxruntime", "openvino", "flask", "gunicorn", "click", "PIL"):
    sys.modules[name] = None
import numpy as np
from face_comparison.client import AsyncClient, Client, distance
import face_comparison
assert face_comparison.__file__ is None
one, other = np.eye(2, 768)
print(round(distance(one, other), 3))
try:
    Client("http://127.0.0.1:9", retries=0).detect(np.zeros((4, 4, 3), np.uint8))
except ModuleNotFoundError as error:
    print(error)
"""


def test_the_client_alone_needs_neither_models_nor_server(tmp_path: Path) -> None:
    command = [str(TOOLS / "hatchling"), "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT / "client", check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("face_comparison_client-*.whl")
    assert wheel.stat().st_size < 100_000
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        opened.extractall(tmp_path / "unpacked")
    assert {"face_comparison/client/py.typed", "face_comparison/api/py.typed"} <= set(names)
    assert {name.split("/")[1] for name in names if name.startswith("face_comparison/")} == {"api", "client"}
    dependencies = sysconfig.get_path("purelib")
    # Without `site`, so that the packages in development are not found.
    code = f"import sys; sys.path[:0] = [{str(tmp_path / 'unpacked')!r}, {dependencies!r}]\n{SLIM}"
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.stderr == ""
    assert ended.stdout.splitlines() == [
        "1.414",
        "an array of pixels is encoded by opencv-python-headless or pillow: install one",
    ]


def test_the_client_alone_declares_what_the_service_does() -> None:
    client, service = (
        tomllib.loads((ROOT / name / "pyproject.toml").read_text())["project"] for name in ("client", "service")
    )
    assert client["version"] == service["version"]
    assert set(client["dependencies"]) <= set(service["dependencies"])
    assert client["optional-dependencies"]["async"] == service["optional-dependencies"]["async"]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_pages_install_only_what_can_be_built_here(page: Path) -> None:
    """The package is on no index, where the name is free for anybody to take."""
    text = page.read_text()
    assert not re.findall(r"(?:pip|pipx|uvx|uv tool)\b[^\n]*['\" ]face-comparison\[", text)
    for path, extras in re.findall(r"'([^'\s]*\.whl)(?:\[([^\]]*)\])?'", text):
        assert Path(path).name == WHEEL
        assert set(extras.split(",")) <= EXTRAS.keys()
