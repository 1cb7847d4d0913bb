"""Make the chart's values.schema.json and the values table of its README from the comments in values.yaml.

So that a value, its meaning, its schema and its documentation are written once. The grammar of the comments is
described at the top of values.yaml. Everything but `main` is a function of text.
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
    """One key of values.yaml: dotted path, what its comment says, its default, and the keys below it if closed."""

    path: str
    description: str
    default: Any
    schema: dict[str, Any]
    children: tuple["Value", ...] = field(default=())


def values(text: str) -> tuple[Value, ...]:
    """Every key of a values file with what its comment says; a key without a comment is a ValueError."""
    return _children(yaml.compose(text, Loader=yaml.SafeLoader), "", text.splitlines())


def _children(mapping: yaml.Node | None, path: str, lines: list[str]) -> tuple[Value, ...]:
    if not isinstance(mapping, yaml.MappingNode):
        return ()
    return tuple(_value(key, node, path, lines) for key, node in mapping.value)


def _value(key: yaml.ScalarNode, node: yaml.Node, parent: str, lines: list[str]) -> Value:
    path = f"{parent}.{key.value}" if parent else key.value
    description, annotation = _comment(lines, key.start_mark.line)
    if not description:
        raise ValueError(f"{path}: write a comment above line {key.start_mark.line + 1} that says what it is for")
    default = yaml.safe_load(yaml.serialize(node))
    children = () if "additionalProperties" in annotation else _children(node, path, lines)
    schema = {"description": description, "type": TYPES[node.tag], **annotation}
    return Value(path, description, default, schema, children)


def _comment(lines: list[str], key_line: int) -> tuple[str, dict[str, Any]]:
    """The comment that ends right above a line, and its annotation."""
    first = key_line
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    words = [line.lstrip().removeprefix("#").strip() for line in lines[first:key_line]]
    annotations = [word.removeprefix(ANNOTATION) for word in words if word.startswith(ANNOTATION)]
    description = " ".join(word for word in words if not word.startswith(ANNOTATION))
    return description, yaml.safe_load(annotations[0]) if annotations else {}


def schema(tree: tuple[Value, ...]) -> dict[str, Any]:
    """The JSON Schema of a values file; a key that the file does not show is refused."""
    # Helm puts `global` into the values of every chart that another chart depends on; the condition under which it does
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
    """A Markdown table of the keys that can be set, in the order of the file."""
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
    """The README with what stands between the two marks replaced by the table; ValueError when they are missing."""
    if TABLE_BEGINS not in readme or TABLE_ENDS not in readme:
        raise ValueError(f"the README needs the lines {TABLE_BEGINS} and {TABLE_ENDS} where the table shall be")
    before, _, rest = readme.partition(TABLE_BEGINS)
    _, _, after = rest.partition(TABLE_ENDS)
    return f"{before}{TABLE_BEGINS}\n{rows}\n{TABLE_ENDS}{after}"


def generated(chart: Path) -> dict[Path, str]:
    """What each generated file of a chart should hold, by its path."""
    tree = values((chart / "values.yaml").read_text())
    readme = chart / "README.md"
    return {
        chart / "values.schema.json": json.dumps(schema(tree), indent=2) + "\n",
        readme: with_table(readme.read_text(), table(tree)),
    }


def main() -> None:
    """Writes the chart's schema and its table of values."""
    for path, text in generated(CHART).items():
        path.write_text(text)


if __name__ == "__main__":
    main()
