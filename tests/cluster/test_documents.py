"""The real API server accepts every documented resource, and marked commands of how-to pages work."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from devtools.docs import transcript
from devtools.docs.pages import PAGES, resources
from devtools.k8s import programs
from devtools.k8s.api import Api
from devtools.k8s.controlplane import ControlPlane

pytestmark = pytest.mark.cluster

HOW_TO = [page for page in PAGES if page.parent.name == "how-to" and transcript.steps(page)]


def test_every_documented_resource_is_accepted(api: Api, control_plane: ControlPlane, namespace: str) -> None:
    shown = [each | {"metadata": {"name": name.lower(), "namespace": namespace}} for name, each in resources()]
    assert shown
    words = ["create", "--validate=strict", "--dry-run=server", "-f", "-"]
    created = control_plane.kubectl(*words, stdin=yaml.safe_dump_all(shown))
    assert len(created.splitlines()) == len(shown)


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_commands_of_how_to_pages_work(
    api: Api, control_plane: ControlPlane, namespace: str, page: Path, tmp_path: Path
) -> None:
    """Unmarked ones need a cloud, a GPU, or a running service."""
    kubeconfig = yaml.safe_load(control_plane.kubeconfig.read_text())
    for context in kubeconfig["contexts"]:
        context["context"]["namespace"] = namespace
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    path = os.pathsep.join([str(programs.binary("kubectl").parent), os.environ["PATH"]])
    environ = os.environ | {"KUBECONFIG": str(tmp_path / "kubeconfig"), "PATH": path}
    commands = "".join(step.commands for step in transcript.steps(page))
    typed = ["bash", "-eu", "-o", "pipefail", "-c", commands]
    done = subprocess.run(typed, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
