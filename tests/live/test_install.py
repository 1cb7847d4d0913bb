"""The wheel in a separate environment, as docs/how-to/install.md describes, and pages name only existing packages."""

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
    """The wheel that `make wheels` builds, built by the same program."""
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


def test_wheel_compares_a_pair(program: Path, tmp_path: Path) -> None:
    photographs = samples.photographs("obama.jpg", "obama2.jpg", "biden.jpg")
    same = run(program, "compare", photographs["obama.jpg"], photographs["obama2.jpg"], folder=tmp_path)
    assert (same.returncode, same.stderr) == (0, "")
    assert "same person" in same.stdout
    assert run(program, "compare", photographs["obama.jpg"], photographs["biden.jpg"], folder=tmp_path).returncode == 1
    python = program.with_name("python")
    where = run(python, "-c", "import face_comparison; print(face_comparison.__file__)", folder=tmp_path).stdout
    assert where.startswith(str(program.parents[1]))


def test_wheel_has_license_notice_and_description(wheel: Path) -> None:
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
for name in ("cv2", "onnxruntime", "openvino", "flask", "gunicorn", "click", "PIL", "boto3"):
    sys.modules[name] = None
import numpy as np
from face_comparison_client import AsyncClient, Client, distance
assert "face_comparison" not in sys.modules
one, other = np.eye(2, 768)
print(round(distance(one, other), 3))
try:
    Client("http://127.0.0.1:9", retries=0).detect(np.zeros((4, 4, 3), np.uint8))
except ModuleNotFoundError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def client_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client's wheel, built by the same program as in `make wheels`."""
    folder = tmp_path_factory.mktemp("client")
    command = [str(TOOLS / "hatchling"), "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT / "client", check=True, capture_output=True, timeout=120)
    (found,) = folder.glob("face_comparison_client-*.whl")
    return found


def test_client_alone_needs_neither_models_nor_server(client_wheel: Path, tmp_path: Path) -> None:
    wheel = client_wheel
    assert wheel.stat().st_size < 100_000
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        opened.extractall(tmp_path / "unpacked")
    assert "face_comparison_client/py.typed" in names
    assert {name.split("/")[1] for name in names if name.startswith("face_comparison_client/")} == {
        *("__init__.py", "py.typed", "api", "client")
    }
    dependencies = sysconfig.get_path("purelib")
    # Without `site`, so that the development packages are not found.
    code = f"import sys; sys.path[:0] = [{str(tmp_path / 'unpacked')!r}, {dependencies!r}]\n{SLIM}"
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.stderr == ""
    assert ended.stdout.splitlines() == [
        "1.414",
        "an array of pixels is encoded by opencv-python-headless or pillow: install one",
    ]


TRY = """
import importlib, sys
client = importlib.import_module(sys.argv[1])
print(client.distance([1.0] + [0.0] * 767, [0.0, 1.0] + [0.0] * 766) > 1, client.Client.__module__, client.__file__)
"""


@pytest.mark.parametrize("first", ["service", "client"])
@pytest.mark.parametrize("removed", ["service", "client"])
def test_service_and_client_are_installed_side_by_side(
    wheel: Path, client_wheel: Path, first: str, removed: str, tmp_path: Path
) -> None:
    venv.create(tmp_path / "environment", symlinks=True)
    (site,) = (tmp_path / "environment").glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = tmp_path / "environment" / "bin" / "python"

    def pip(*arguments: str) -> None:
        command = [str(TOOLS / "python"), "-m", "pip", "--python", str(python), *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=120)

    wheels = {"service": wheel, "client": client_wheel}
    for name in sorted(wheels, key=lambda each: each != first):
        pip("install", "--quiet", "--no-index", "--no-deps", str(wheels[name]))
    pip("uninstall", "--quiet", "--yes", {"service": "face-comparison", "client": "face-comparison-client"}[removed])
    modules = {"service": "face_comparison.client", "client": "face_comparison_client"}
    left = run(python, "-c", TRY, modules["client" if removed == "service" else "service"], folder=tmp_path)
    assert left.returncode == 0, left.stderr
    assert left.stdout.startswith("True face_comparison")
    assert left.stdout.split()[2].startswith(str(site))
    assert not (site / modules[removed].replace(".", "/")).exists()


def test_client_modules_use_relative_imports() -> None:
    """The package has a different name if the client is installed alone."""
    folders = [ROOT / "service" / "src" / "face_comparison" / name for name in ("api", "client")]
    files = [path for folder in folders for path in folder.glob("*.py")]
    assert len(files) > 8
    named = [
        path.name
        for path in files
        if re.search(r"^\s*(?:from|import) face_comparison\b(?!\.client import Client$)", path.read_text(), re.M)
    ]
    assert named == []


def test_client_declares_the_same_dependencies() -> None:
    client, service = (
        tomllib.loads((ROOT / name / "pyproject.toml").read_text())["project"] for name in ("client", "service")
    )
    assert client["version"] == service["version"]
    assert set(client["dependencies"]) <= set(service["dependencies"])
    assert client["optional-dependencies"]["async"] == service["optional-dependencies"]["async"]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_pages_install_only_existing_packages(page: Path) -> None:
    """The package is on no index, where anybody could claim the name."""
    text = page.read_text()
    assert not re.findall(r"(?:pip|pipx|uvx|uv tool)\b[^\n]*['\" ]face-comparison\[", text)
    for path, extras in re.findall(r"'([^'\s]*\.whl)(?:\[([^\]]*)\])?'", text):
        assert Path(path).name == WHEEL
        assert set(extras.split(",")) <= EXTRAS.keys()
