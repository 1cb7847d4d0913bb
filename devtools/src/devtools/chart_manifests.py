"""Generates manifests/install.yaml and manifests/crd.yaml from the chart, for those who install without Helm.

The chart is rendered with its defaults by the real `helm`; what only concerns Helm releases is left out. Users choose
where their container images come from: until they do, the registry is a name that never resolves (RFC 2606).
"""

import argparse
import re
import subprocess
from pathlib import Path

from devtools import ROOT

CHART = ROOT / "charts" / "face-comparison"
MANIFESTS = ROOT / "manifests"
RELEASE, NAMESPACE = "face-comparison", "face-comparison-system"

# Labels that mark an object as part of a Helm release would be wrong on what kubectl applies.
HELM_LABELS = re.compile(r"^ +(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n", re.MULTILINE)
SOURCE_COMMENTS = re.compile(r"^# Source: .*\n", re.MULTILINE)

REGISTRY = "registry.invalid"
HEADER = "# Generated from charts/face-comparison by `make generate`; edit the chart instead.\n"
INSTALL_HEADER = f"""\
{HEADER}#
# {REGISTRY} stands for the registry that you pushed the images to:
#
#   sed s,{REGISTRY},registry.example.com,g manifests/install.yaml | kubectl apply --server-side -f -
"""
NAMESPACE_OBJECT = f"""\
---
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    app.kubernetes.io/part-of: face-comparison
    pod-security.kubernetes.io/enforce: restricted
"""


def render(helm: Path, chart: Path, *options: str) -> str:
    """Returns the chart's objects as YAML documents without Helm's labels and comments."""
    command = [
        str(helm),
        "template",
        RELEASE,
        str(chart),
        "--namespace",
        NAMESPACE,
        "--set",
        f"crds.keep=false,image.registry={REGISTRY}",
        "--skip-tests",
        *options,
    ]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    return SOURCE_COMMENTS.sub("", HELM_LABELS.sub("", output))


def generated_files(helm: Path, chart: Path = CHART) -> dict[Path, str]:
    """Returns the expected content of each generated manifest, by path."""
    definition = render(helm, chart, "--show-only", "templates/crd.yaml")
    rest = render(helm, chart, "--set", "crds.enabled=false")
    return {
        MANIFESTS / "crd.yaml": HEADER + definition,
        MANIFESTS / "install.yaml": INSTALL_HEADER + NAMESPACE_OBJECT + definition + rest,
    }


def main() -> None:
    """Writes the generated manifests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--helm", type=Path, required=True, help="the helm program to render with")
    for path, text in generated_files(parser.parse_args().helm).items():
        path.write_text(text)


if __name__ == "__main__":
    main()
