"""Every distribution declares what it imports; nothing is only available through another package."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {"service": "face_comparison", "operator": "face_comparison_operator"}


def imported(folder: Path) -> set[str]:
    """Returns the top-level modules that a folder's sources import at run time, without the standard library."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"_typeshed", "__future__"}


def declared(member: str) -> set[str]:
    """Returns the normalized names of the packages that a distribution declares, including extras."""
    project = tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]
    rows = [*project["dependencies"], *(row for rows in project["optional-dependencies"].values() for row in rows)]
    return {normalized(re.split(r"[\[<>=!~; ]", row)[0]) for row in rows}


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("member", SOURCES)
def test_every_import_is_a_declared_dependency(member: str) -> None:
    package = SOURCES[member]
    providers = packages_distributions()
    modules = imported(ROOT / member / "src" / package) - {package}
    assert len(modules) > 4
    known = declared(member)
    missing = {
        module
        for module in modules
        if module in providers and not {normalized(each) for each in providers[module]} & known
    }
    assert missing <= OPTIONAL[member]


OPTIONAL: dict[str, set[str]] = {
    # Whoever passes a Pillow image has installed Pillow.
    "service": {"PIL"},
    "operator": set(),
}
"""Modules that are imported only where the caller has brought them."""


def test_every_dependency_has_a_lower_bound() -> None:
    for member in SOURCES:
        project = tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]
        rows = [*project["dependencies"], *(row for rows in project["optional-dependencies"].values() for row in rows)]
        own = [row for row in rows if not row.startswith("face-comparison")]
        assert [row for row in own if ">=" not in row and "==" not in row] == []
