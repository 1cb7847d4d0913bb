"""Runs the real `helm` for the chart's tests."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from devtools import ROOT
from devtools.k8s import programs

CHART = ROOT / "charts" / "face-comparison"
REGISTRY = "registry.example.com"
"""Where the tests say that the images are; the chart has no default for it."""
NEEDED = ("--values", Path(__file__).parent / "needed-values.yaml")
EVERY_OPTION = Path(__file__).parent / "every-option.yaml"
RELEASE = "face-comparison"
Object = dict[str, Any]


class HelmFailed(Exception):
    """helm failed; the message is its standard error."""


class Helm:
    """helm for one cluster, or for none: `template` and `lint` need none."""

    def __init__(self, kubeconfig: Path | None = None) -> None:
        self._cluster = [] if kubeconfig is None else [f"--kubeconfig={kubeconfig}"]

    def run(self, *arguments: str | Path) -> str:
        """Runs helm and returns its output; raises HelmFailed if it fails."""
        command = [programs.binary("helm"), *arguments, *self._cluster]
        result = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        if result.returncode:
            raise HelmFailed(f"helm {' '.join(map(str, arguments))}: {result.stderr.strip()} {result.stdout.strip()}")
        return result.stdout

    def template(self, *options: str | Path, chart: Path = CHART, namespace: str = "operators") -> list[Object]:
        """Returns the objects that the chart renders with these options, in the order of installation."""
        text = self.run("template", RELEASE, chart, "--namespace", namespace, *NEEDED, *options)
        return [document for document in yaml.safe_load_all(text) if document]

    def install(
        self, namespace: str, *options: str | Path, chart: Path = CHART, release: str = RELEASE, wait: bool = True
    ) -> None:
        """Installs the chart and waits until its pods are ready and the operator serves a FaceComparison."""
        self._change("install", namespace, options, chart, release, wait)

    def upgrade(
        self, namespace: str, *options: str | Path, chart: Path = CHART, release: str = RELEASE, wait: bool = True
    ) -> None:
        """Upgrades the release and waits as `install` does."""
        self._change("upgrade", namespace, options, chart, release, wait)

    def _change(
        self, verb: str, namespace: str, options: tuple[str | Path, ...], chart: Path, release: str, wait: bool
    ) -> None:
        waiting = ("--wait", "--timeout=90s") if wait else ()
        self.run(verb, release, chart, "--namespace", namespace, *waiting, *NEEDED, *options)

    def uninstall(self, namespace: str, release: str = RELEASE) -> None:
        """Uninstalls the release and waits until its objects are gone."""
        self.run("uninstall", release, "--namespace", namespace, "--wait", "--timeout=90s")


def kinds(objects: list[Object]) -> list[tuple[str, str]]:
    """Returns the kind and name of each object, sorted."""
    return sorted((each["kind"], each["metadata"]["name"]) for each in objects)


def of_kind(objects: list[Object], kind: str) -> Object:
    """Returns the only object of a kind."""
    (found,) = [each for each in objects if each["kind"] == kind]
    return found
