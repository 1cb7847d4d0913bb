"""Names on the pages exist: fields, values, reasons, and files; and documented resources are valid."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest

from devtools import ROOT, chart_values
from devtools.docs.pages import PAGES, resources
from support.crd import SPEC, STATUS, Schema

RESOURCES = dict(resources())
DOTTED = re.compile(r"`((?:[a-z]\w*)(?:\.[a-z]\w*)+)(?:[=:][^`]*)?`", re.IGNORECASE)
FILES = re.compile(r"`((?:charts|manifests|tools|tests|operator|service|docs)/[\w./-]+)`")
WRITTEN = [page for page in PAGES if page.parent.name != "reference"]


def closed(schema: Schema) -> Schema:
    """Returns a schema that rejects unknown fields, as `kubectl` does."""
    inner: Schema = {name: closed(each) if isinstance(each, dict) else each for name, each in schema.items()}
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        inner["additionalProperties"] = False
    return inner


@pytest.mark.parametrize("name", RESOURCES)
def test_documented_resource_is_valid(name: str) -> None:
    jsonschema.validate(RESOURCES[name]["spec"], closed(SPEC))


@pytest.mark.parametrize("page", [page for page in PAGES if not {"adr", "development"} & set(page.parts)], ids=str)
def test_pages_for_users_tell_nothing_of_internal_goals(page: Path) -> None:
    """They say what was measured; what its makers would have liked, and how long their tests take, helps nobody."""
    goal = r"\bgoals?\b|目标[为是] ?[0-9至]|的目标没有|\bminutes of CI\b|\bCI minutes\b"
    assert not re.search(goal, page.read_text())


def below(schema: Schema, path: list[str]) -> bool:
    """Returns whether a schema has a field at a path; a map has every field."""
    if not path or isinstance(schema.get("additionalProperties"), dict):
        return True
    inner: Schema = schema.get("items", schema).get("properties", {})
    return path[0] in inner and below(inner[path[0]], path[1:])


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.stem)
def test_named_fields_and_values_exist(page: Path) -> None:
    schema = chart_values.schema(chart_values.values((chart_values.CHART / "values.yaml").read_text()))
    wrong = []
    for name in DOTTED.findall(page.read_text()):
        first, *rest = name.split(".")
        if first in ("spec", "status"):
            wrong += [] if below(SPEC if first == "spec" else STATUS, rest) else [name]
        elif first in SPEC["properties"] or first in schema["properties"]:
            wrong += [] if below(SPEC, [first, *rest]) or below(schema, [first, *rest]) else [name]
    assert not wrong


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.stem)
def test_named_files_exist(page: Path) -> None:
    assert [name for name in FILES.findall(page.read_text()) if not (ROOT / name).exists()] == []


def test_troubleshooting_covers_every_reason() -> None:
    """Another test compares the operator's README, which has every reason, with the source."""
    table = (ROOT / "operator" / "README.md").read_text().partition("| reason | of |")[2].partition("\n\n")[0]
    reasons = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    page = (ROOT / "docs" / "how-to" / "troubleshooting.md").read_text()
    of_resources = page.partition("\n## When an alert fires\n")[0]
    entries = re.findall(r"^### (\w+)$", of_resources, re.MULTILINE)
    assert len(reasons) > 20
    assert sorted(entries) == sorted(reasons)
