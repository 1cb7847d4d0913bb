"""The real `helm`, as the chart's tests call it."""

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
    """helm ended with an error; the message is its standard error."""


class Helm:
    """helm for one cluster, or for none: `template` and `lint` need none."""

    def __init__(self, kubeconfig: Path | None = None) -> None:
        self._cluster = [] if kubeconfig is None else [f"--kubeconfig={kubeconfig}"]

    def run(self, *arguments: str | Path) -> str:
        """Run helm, return what it prints; HelmFailed when it fails."""
        command = [programs.binary("helm"), *arguments, *self._cluster]
        result = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        if result.returncode:
            raise HelmFailed(f"helm {' '.join(map(str, arguments))}: {result.stderr.strip()} {result.stdout.strip()}")
        return result.stdout

    def template(self, *options: str | Path, chart: Path = CHART, namespace: str = "operators") -> list[Object]:
        """The objects that the chart makes with these options, in the order of installation."""
        text = self.run("template", RELEASE, chart, "--namespace", namespace, *NEEDED, *options)
        return [document for document in yaml.safe_load_all(text) if document]

    def install(
        self, namespace: str, *options: str | Path, chart: Path = CHART, release: str = RELEASE, wait: bool = True
    ) -> None:
        """Install the chart and wait until its pods are ready, and a FaceComparison in it, which takes an operator."""
        self._change("install", namespace, options, chart, release, wait)

    def upgrade(
        self, namespace: str, *options: str | Path, chart: Path = CHART, release: str = RELEASE, wait: bool = True
    ) -> None:
        """Upgrade the release and wait as `install` does."""
        self._change("upgrade", namespace, options, chart, release, wait)

    def _change(
        self, verb: str, namespace: str, options: tuple[str | Path, ...], chart: Path, release: str, wait: bool
    ) -> None:
        waiting = ("--wait", "--timeout=90s") if wait else ()
        self.run(verb, release, chart, "--namespace", namespace, *waiting, *NEEDED, *options)

    def uninstall(self, namespace: str, release: str = RELEASE) -> None:
        """Uninstall the release and wait until its objects are gone."""
        self.run("uninstall", release, "--namespace", namespace, "--wait", "--timeout=90s")


def kinds(objects: list[Object]) -> list[tuple[str, str]]:
    """Kind and name of each object, sorted."""
    return sorted((each["kind"], each["metadata"]["name"]) for each in objects)


def of_kind(objects: list[Object], kind: str) -> Object:
    """The only object of a kind."""
    (found,) = [each for each in objects if each["kind"] == kind]
    return found
