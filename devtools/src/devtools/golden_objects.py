"""Golden files of the operator: for each `tests/golden/objects/<case>/resource.yaml`, all objects in `desired.yaml`.

`make golden` writes the second from the first; `git diff` then shows what a change of the operator does to users'
clusters.
"""

from __future__ import annotations

from typing import Any

import yaml

from devtools import ROOT
from face_comparison_operator.objects import desired
from face_comparison_operator.resource import parse
from face_comparison_operator.settings import Settings

FOLDER = ROOT / "tests" / "golden" / "objects"
SETTINGS = Settings(service_image="registry.example/face-comparison/service:1")
HEAD = "# Generated from resource.yaml by `make golden`; review the diff, do not edit.\n"


def cases() -> list[str]:
    """Returns the names of all cases."""
    return sorted(path.parent.name for path in FOLDER.glob("*/resource.yaml"))


def resource(case: str) -> dict[str, Any]:
    """Returns the resource of a case as the API server would send it."""
    body: dict[str, Any] = yaml.safe_load((FOLDER / case / "resource.yaml").read_text())
    given = {"namespace": "faces", "uid": "00000000-0000-4000-8000-000000000001", "generation": 1}
    return {**body, "metadata": {**given, **body["metadata"]}}


def build(case: str) -> list[dict[str, Any]]:
    """Returns the operator's desired objects for a case."""
    return desired(parse(resource(case)), SETTINGS)


def read_golden(case: str) -> list[dict[str, Any]]:
    """Returns the content of a case's golden file."""
    return list(yaml.safe_load_all((FOLDER / case / "desired.yaml").read_text()))


class _Plain(yaml.SafeDumper):
    """A dumper without anchors, so that each object can be read by itself."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def write() -> None:
    """Writes the golden file of every case."""
    for case in cases():
        text = yaml.dump_all(build(case), Dumper=_Plain, sort_keys=False, width=120)
        (FOLDER / case / "desired.yaml").write_text(HEAD + text)


if __name__ == "__main__":
    write()
