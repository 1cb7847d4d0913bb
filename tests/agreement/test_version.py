"""Service, operator, chart, manifests, and changelog have the same version."""

import re
import tomllib
from pathlib import Path

import yaml

import face_comparison
import face_comparison_operator

ROOT = Path(__file__).resolve().parent.parent.parent


def project(folder: str) -> str:
    return str(tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]["version"])


def test_one_version_everywhere() -> None:
    chart = yaml.safe_load((ROOT / "charts" / "face-comparison" / "Chart.yaml").read_text())
    changes = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    images = set(
        re.findall(
            r"face-comparison/(?:operator|service|service-gpu):(\S+)", (ROOT / "manifests/install.yaml").read_text()
        )
    )
    versions = {
        "workspace": project("."),
        "service distribution": project("service"),
        "service package": face_comparison.__version__,
        "operator distribution": project("operator"),
        "operator package": face_comparison_operator.__version__,
        "chart": chart["version"],
        "images of the chart": chart["appVersion"],
        "manifests": ", ".join(images),
        "changelog": changes[0],
    }
    assert len(set(versions.values())) == 1, versions
