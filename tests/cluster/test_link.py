"""The network link that a test can cut: requests pass, then vanish without a reset, then pass again."""

from __future__ import annotations

import subprocess

import pytest

from devtools.k8s import programs
from devtools.k8s.controlplane import ControlPlane
from devtools.k8s.link import Link

pytestmark = pytest.mark.cluster


def test_cut_link_drops_packets_and_recovers(control_plane: ControlPlane, link: Link, namespace: str) -> None:
    kubectl = link.command(programs.binary("kubectl"), f"--kubeconfig={control_plane.kubeconfig_for(link.url)}")

    def get(*options: str) -> subprocess.CompletedProcess[str]:
        words = [*kubectl, "get", "namespace", namespace, *options]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

    assert namespace in get().stdout

    watch = subprocess.Popen(
        [*kubectl, "get", "configmaps", f"--namespace={namespace}", "--watch-only", "--output=name"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        link.cut()
        lost = get("--request-timeout=2s")
        assert lost.returncode != 0
        assert "refused" not in lost.stderr
        assert "reset" not in lost.stderr
        assert watch.poll() is None  # the open connection received no notice

        link.heal()
        assert namespace in get().stdout
    finally:
        watch.kill()
        watch.communicate()


def test_client_side_reaches_only_the_api_server(control_plane: ControlPlane, link: Link) -> None:
    routes = subprocess.run(link.command("ip", "-json", "route"), capture_output=True, text=True, check=True)
    assert "default" not in routes.stdout
    assert "198.18.77.0/24" in routes.stdout
