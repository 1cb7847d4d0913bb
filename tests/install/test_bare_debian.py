"""Each documented installation without a container, typed on a bare Debian, compares a pair."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools import ROOT
from devtools.bare_debian import machine as debian
from devtools.bare_debian.machine import Machine
from devtools.docs.pages import blocks
from devtools.k8s import programs
from support.documented import CHECKOUT, SECONDS, TRUSTED, block, clone, need_debian, typed

pytestmark = [pytest.mark.node, pytest.mark.timeout(1200)]

INSTALL = ROOT / "docs" / "how-to" / "install.md"


@pytest.fixture(scope="module")
def connected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine that reaches package registries, with package caches and this machine's pip settings."""
    need_debian()
    mounts = {CHECKOUT: clone(tmp_path_factory.mktemp("clone"))}
    for name in ("pip", "uv"):
        cache = programs.cache().parent / "debian" / f"{name}-cache"
        cache.mkdir(parents=True, exist_ok=True)
        mounts[f"/root/.cache/{name}"] = cache
    if (settings := Path("/etc/pip.conf")).exists():
        mounts["/etc/pip.conf"] = settings
    with debian.machine(tmp_path_factory.mktemp("connected") / "state", mounts, network=True) as created:
        yield created


@pytest.fixture(scope="module")
def wheels(connected: Machine) -> Machine:
    """The machine after the page's first command."""
    typed(connected, block(INSTALL, "apt-get install").replace("sudo apt-get install", "dpkg --status >/dev/null"))
    typed(connected, "make wheels")
    return connected


def verdicts(machine: Machine, program: str) -> tuple[int, str]:
    """Returns the exit status of a comparison with a stranger, and the output of one with the same person."""
    same = typed(machine, f"{program} compare one.jpg another.jpg")
    other = subprocess.run(
        machine.command(f"{program} compare one.jpg stranger.jpg", folder=CHECKOUT),
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    return other.returncode, same.stdout


def test_pip_on_a_bare_debian(wheels: Machine) -> None:
    command = block(INSTALL, "pip install 'build/release/python/face_comparison-0.1.0-py3-none-any.whl[cpu]'\nface")
    message = typed(wheels, f"python3 -m venv /root/venv\n. /root/venv/bin/activate\n{command}")
    assert "same person" in message.stdout
    assert verdicts(wheels, "/root/venv/bin/face-comparison")[0] == 1


def test_pipx_on_a_bare_debian(wheels: Machine) -> None:
    """The first comparison downloads the model."""
    typed(wheels, "rm -rf ~/.cache/face-comparison")
    typed(wheels, block(INSTALL, "pipx install 'build"))
    first = typed(wheels, "face-comparison compare one.jpg another.jpg")
    assert "same person" in first.stdout
    assert "fetching the model, once" in first.stderr
    assert verdicts(wheels, "face-comparison")[0] == 1


def test_uvx_on_a_bare_debian(wheels: Machine) -> None:
    typed(wheels, "pipx install uv")
    message = typed(wheels, block(INSTALL, "uvx --from 'build"))
    assert "same person" in message.stdout


def test_client_alone_on_a_bare_debian(wheels: Machine) -> None:
    install = block(INSTALL, "face_comparison_client-0.1.0")
    typed(wheels, f"python3 -m venv /root/client\n. /root/client/bin/activate\n{install}")
    (sample,) = [text for text in blocks(INSTALL, "python") if "face_comparison_client" in text]
    typed(wheels, f"/root/client/bin/python - <<'END'\n{sample}\nprint(Client, distance)\nEND")


def test_make_run_on_a_bare_debian(connected: Machine) -> None:
    """The documented packages suffice; the output ends with pairs."""
    shell = "make --no-print-directory run PORT=0"
    with subprocess.Popen(
        connected.command(shell, folder=CHECKOUT, environment=TRUSTED),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as running:  # fmt: skip
        shown = []
        try:
            for line in running.stdout or ():
                shown.append(line)
                if "Ctrl-C stops it." in line:
                    break
        finally:
            running.kill()
    message = "".join(shown)
    assert re.search(r"obama\.jpg +obama2\.jpg +same person", message), message[-3000:]
    assert re.search(r"obama\.jpg +biden\.jpg +different people", message)
