"""Golden pairs of the operator: `tests/golden/objects/<case>/resource.yaml` asks, `desired.yaml` is every object made.

`make golden` writes the second from the first; git then shows what a change of the operator does to users' clusters.
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
HEAD = "# Made by `make golden` from resource.yaml: read the difference, never edit.\n"


def cases() -> list[str]:
    """Names of all cases."""
    return sorted(path.parent.name for path in FOLDER.glob("*/resource.yaml"))


def resource(case: str) -> dict[str, Any]:
    """The resource of a case as the API server would send it."""
    body: dict[str, Any] = yaml.safe_load((FOLDER / case / "resource.yaml").read_text())
    given = {"namespace": "faces", "uid": "00000000-0000-4000-8000-000000000001", "generation": 1}
    return {**body, "metadata": {**given, **body["metadata"]}}


def made(case: str) -> list[dict[str, Any]]:
    """What the operator wants for a case now."""
    return desired(parse(resource(case)), SETTINGS)


def expected(case: str) -> list[dict[str, Any]]:
    """What the golden file of a case says."""
    return list(yaml.safe_load_all((FOLDER / case / "desired.yaml").read_text()))


class _Plain(yaml.SafeDumper):
    """Without anchors: each object can be read by itself."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def write() -> None:
    """Write the golden file of every case."""
    for case in cases():
        text = yaml.dump_all(made(case), Dumper=_Plain, sort_keys=False, width=120)
        (FOLDER / case / "desired.yaml").write_text(HEAD + text)


if __name__ == "__main__":
    write()
