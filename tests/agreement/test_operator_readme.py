"""The operator's README names every reason and every kind of object that the operator knows."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

from face_comparison_operator import pod_problems, reasons, routing
from face_comparison_operator.api_resources import CHILDREN

README = (Path(__file__).resolve().parents[2] / "operator" / "README.md").read_text()
REASON = re.compile(r"[A-Z][A-Za-z]+")


def named_reasons(module: ModuleType) -> set[str]:
    """Returns the named reasons of a module."""
    constants = [value for name, value in vars(module).items() if name.isupper() and not name.startswith("_")]
    return {value for value in constants if isinstance(value, str) and REASON.fullmatch(value)}


def test_reasons_and_explanations_match() -> None:
    table = README.partition("| reason | of |")[2].partition("\n\n")[0]
    explained = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert len(explained) == len(set(explained))
    assert set(explained) == named_reasons(pod_problems) | named_reasons(routing) | named_reasons(reasons)


def test_every_object_is_named() -> None:
    table = README.partition("| object | when |")[2].partition("\n\n")[0]
    assert [kind.name for kind in CHILDREN if not re.search(rf"\b{kind.name}\b", table)] == []
