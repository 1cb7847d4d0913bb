"""Generates the chart's values.schema.json and the table of values in its README from the comments in values.yaml.

A value, its meaning, its schema, and its documentation are thus written once. The grammar of the comments is described
at the top of values.yaml. Everything but `main` is a pure function of text.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from devtools import ROOT

CHART = ROOT / "charts" / "face-comparison"
ANNOTATION = "@schema "
TABLE_BEGINS, TABLE_ENDS = "<!-- values: made by `make generate` -->", "<!-- /values -->"
TYPES = {
    "tag:yaml.org,2002:bool": "boolean",
    "tag:yaml.org,2002:int": "integer",
    "tag:yaml.org,2002:float": "number",
    "tag:yaml.org,2002:str": "string",
    "tag:yaml.org,2002:seq": "array",
    "tag:yaml.org,2002:map": "object",
}


@dataclass(frozen=True)
class Value:
    """A key in values.yaml: dotted path, comment, default, and, if it is a closed object, the keys below it."""

    path: str
    description: str
    default: Any
    schema: dict[str, Any]
    children: tuple["Value", ...] = field(default=())


def values(text: str) -> tuple[Value, ...]:
    """Returns every key of a values file with its comment; raises ValueError for a key without one."""
    return _children(yaml.compose(text, Loader=yaml.SafeLoader), "", text.splitlines())


def _children(mapping: yaml.Node | None, path: str, lines: list[str]) -> tuple[Value, ...]:
    if not isinstance(mapping, yaml.MappingNode):
        return ()
    return tuple(_value(key, node, path, lines) for key, node in mapping.value)


def _value(key: yaml.ScalarNode, node: yaml.Node, parent: str, lines: list[str]) -> Value:
    path = f"{parent}.{key.value}" if parent else key.value
    description, annotation = _comment(lines, key.start_mark.line)
    if not description:
        raise ValueError(f"{path}: add a comment above line {key.start_mark.line + 1} that says what it is for")
    default = yaml.safe_load(yaml.serialize(node))
    children = () if "additionalProperties" in annotation else _children(node, path, lines)
    schema = {"description": description, "type": TYPES[node.tag], **annotation}
    return Value(path, description, default, schema, children)


def _comment(lines: list[str], key_line: int) -> tuple[str, dict[str, Any]]:
    """Returns the comment right above a line, and its annotation."""
    first = key_line
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    words = [line.lstrip().removeprefix("#").strip() for line in lines[first:key_line]]
    annotations = [word.removeprefix(ANNOTATION) for word in words if word.startswith(ANNOTATION)]
    description = " ".join(word for word in words if not word.startswith(ANNOTATION))
    return description, yaml.safe_load(annotations[0]) if annotations else {}


def schema(tree: tuple[Value, ...]) -> dict[str, Any]:
    """Returns the JSON Schema of a values file; it rejects keys that the file does not contain."""
    # Helm passes `global` to every chart that another chart depends on; the condition under which it does so
    # is usually called `enabled`.
    properties = {
        "global": {"description": "Values of a parent chart, not used.", "type": "object"},
        "enabled": {"description": "For the condition of a dependency in a parent chart, not used here."},
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_object(tree, properties)}


def _object(tree: tuple[Value, ...], properties: dict[str, Any]) -> dict[str, Any]:
    properties = {value.path.rpartition(".")[2]: _property(value) for value in tree} | properties
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _property(value: Value) -> dict[str, Any]:
    if value.children:
        return value.schema | _object(value.children, {})
    return value.schema | {"default": value.default}


def table(tree: tuple[Value, ...]) -> str:
    """Returns a Markdown table of the keys that can be set, in the order of the file."""
    cells = [
        (value.path, json.dumps(value.default), value.description.replace("|", "&#124;")) for value in _leaves(tree)
    ]
    rows = [f"| `{path}` | `{default}` | {description} |" for path, default, description in cells]
    return "\n".join(["| value | default | meaning |", "|---|---|---|", *rows])


def _leaves(tree: tuple[Value, ...]) -> Iterator[Value]:
    for value in tree:
        if value.children:
            yield from _leaves(value.children)
        else:
            yield value


def with_table(readme: str, rows: str) -> str:
    """Returns the README with the table between the two marks replaced; raises ValueError if they are missing."""
    if TABLE_BEGINS not in readme or TABLE_ENDS not in readme:
        raise ValueError(f"the README needs the lines {TABLE_BEGINS} and {TABLE_ENDS} around the table")
    before, _, rest = readme.partition(TABLE_BEGINS)
    _, _, after = rest.partition(TABLE_ENDS)
    return f"{before}{TABLE_BEGINS}\n{rows}\n{TABLE_ENDS}{after}"


def generated_files(chart: Path) -> dict[Path, str]:
    """Returns the expected content of each generated file of a chart, by path."""
    tree = values((chart / "values.yaml").read_text())
    readme = chart / "README.md"
    return {
        chart / "values.schema.json": json.dumps(schema(tree), indent=2) + "\n",
        readme: with_table(readme.read_text(), table(tree)),
    }


def main() -> None:
    """Writes the chart's schema and its table of values."""
    for path, text in generated_files(CHART).items():
        path.write_text(text)


if __name__ == "__main__":
    main()
