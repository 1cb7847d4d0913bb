"""`make check` fails on what it promises to find: each case in a copy of this checkout, by the parts that check it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from devtools import ROOT

SLOW = (".venv/.synced", "lint", "types", "generated")
"""Parts of `make check` that words and layers do not concern."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of every file that git tracks, with this checkout's environment."""
    copy = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(lambda name: (ROOT / name).is_file(), listed.splitlines()):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)
    return copy


def check(checkout: Path, *left_out: str) -> subprocess.CompletedProcess[str]:
    """Runs `make check`, without these parts."""
    sources = os.pathsep.join(str(checkout / project / "src") for project in ("service", "operator", "devtools"))
    return subprocess.run(
        ["make", "--no-print-directory", *(f"--old-file={part}" for part in left_out), "check"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": sources},
        capture_output=True,
        text=True,
        check=False,
    )


def test_unchanged_checkout_passes(checkout: Path) -> None:
    done = check(checkout, *SLOW)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("docs/how-to/new.md", "# New\n\nOf two persons, one is compared.\n", "write 'people' instead of 'persons'"),
        ("service/src/face_comparison/vision/new.py", '"""Two persons."""\n', "write 'people' instead of 'persons'"),
        (
            "CHANGELOG-new.md",
            "- It was told as json.\n\nPersons are compared.\n",
            "write 'people' instead of 'Persons'",
        ),
        ("charts/face-comparison/templates/new.yaml", "# Two persons.\n", "write 'people' instead of 'persons'"),
        ("tests/unit/test_new.py", '"""Two persons."""\n', "write 'people' instead of 'persons'"),
        ("operator/src/face_comparison_operator/new.py", '"""Outside the layers."""\n', "face_comparison_operator.new"),
        ("service/src/face_comparison/new.py", '"""Outside the layers."""\n', "face_comparison.new"),
        ("service/src/face_comparison/new/__init__.py", '"""Outside the layers."""\n', "face_comparison.new"),
        (
            "service/src/face_comparison/vision/upward.py",
            '"""Against the layers."""\n\nfrom face_comparison.web import app\n\n__all__ = ["app"]\n',
            "face_comparison.vision is not allowed to import face_comparison.web",
        ),
    ],
)
def test_untracked_file_is_reported(checkout: Path, name: str, text: str, complaint: str) -> None:
    path = checkout / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    try:
        done = check(checkout, *SLOW)
    finally:
        path.unlink()
        if path.name == "__init__.py":
            path.parent.rmdir()
    assert done.returncode != 0
    assert complaint in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("project", "declared", "changed", "complaint"),
    [
        ("service", "gunicorn>=27.0.1", "gunicorn>=23", "gunicorn>=23 was not tested"),
        ("service", "jinja2>=3.1.2", "jinja2>=3", "jinja2>=3 was not tested"),
        ("service", "gunicorn>=27.0.1,<28", "gunicorn<28", "gunicorn<28 has no lower bound"),
        ("operator", "kopf>=1.45", "kopf>=1.30", "kopf>=1.30 was not tested"),
        ("client", "urllib3>=2.2.1", "urllib3>=1.26", "urllib3>=1.26 was not tested"),
    ],
)
def test_untested_lower_bound_is_reported(
    checkout: Path, project: str, declared: str, changed: str, complaint: str
) -> None:
    """By the whole `make check`: the lock, which no longer matches, must not stop it earlier with another message."""
    path = checkout / project / "pyproject.toml"
    text = path.read_text()
    assert declared in text
    path.write_text(text.replace(declared, changed))
    try:
        done = check(checkout)
    finally:
        path.write_text(text)
    assert done.returncode != 0
    assert f"{project}/pyproject.toml: {complaint}" in done.stdout
    assert "lock" not in done.stderr


def test_check_has_these_parts() -> None:
    """A part that nothing calls would never fail."""
    text = (ROOT / "Makefile").read_text()
    (parts,) = [line.split("##")[0].split()[1:] for line in text.splitlines() if line.startswith("check:")]
    assert parts == ["bounds", "lint", "types", "layers", "words", "generated"]
