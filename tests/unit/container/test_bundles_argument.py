"""The build argument BUNDLES of the Dockerfile: every bundle that it names is fetched, or the build fails."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from devtools import ROOT


def run(tmp_path: Path, bundles: str | None, known: str) -> tuple[int, list[str]]:
    """Runs the Dockerfile's step with a program that knows some bundles; returns its status and what it fetched."""
    text = (ROOT / "Dockerfile").read_text()
    found = re.search(r"^ARG BUNDLES=(?P<default>.*)\nRUN (?P<command>(?:.*\\\n)*.*)$", text, re.MULTILINE)
    assert found
    program, log = tmp_path / "python", tmp_path / "log"
    program.write_text(
        '#!/bin/sh\n[ "$*" = "-m face_comparison models fetch $5" ] || exit 9\n'
        f'case " {known} " in *" $5 "*) ;; *) exit 1; esac\n'
        f'echo "$5 $FACE_COMPARISON_BUNDLES" >> {log}\n'
    )
    program.chmod(0o755)
    command = found["command"].replace("/opt/face-comparison/bin/python", str(program))
    environ = {**os.environ, "BUNDLES": found["default"] if bundles is None else bundles}
    ended = subprocess.run(["sh", "-c", command.replace("\\\n", "")], env=environ, check=False)
    return ended.returncode, log.read_text().splitlines() if log.exists() else []


@pytest.mark.parametrize("bundles", [None, "default yunet-sface-int8", "yunet-sface-int8"])
def test_every_named_bundle_is_fetched(tmp_path: Path, bundles: str | None) -> None:
    names = "default" if bundles is None else bundles
    expected = [f"{name} /opt/bundles" for name in names.split()]
    assert run(tmp_path, bundles, "default yunet-sface-int8") == (0, expected)


@pytest.mark.parametrize("bundles", ["typo default", "default typo"])
def test_unknown_bundle_fails_the_build(tmp_path: Path, bundles: str) -> None:
    status, _ = run(tmp_path, bundles, "default")
    assert status != 0
