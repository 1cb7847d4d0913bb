"""Generates the reference of the Python client from its docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from face_comparison import client

_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):$")
_CLASSES = ("Client", "AsyncClient", "Collection", "AsyncCollection")
_FUNCTIONS = ("distance",)
_ERRORS = ("ServiceError", "ServiceUnreachable")


def reference() -> str:
    """Returns one section per class and function that the client exports."""
    parts = [part for name in _CLASSES for part in _class(name)]
    for name in _FUNCTIONS:
        parts += [f"## {name}", _code(name, getattr(client, name)), _text(getattr(client, name))]
    parts.append("## Errors")
    for name in _ERRORS:
        parts += [f"### {name}", _text(getattr(client, name))]
    parts.append("## Results")
    for name in sorted(client.__all__):
        value = getattr(client, name)
        if isinstance(value, type) and issubclass(value, msgspec.Struct):
            parts += [f"### {name}", _text(value), _fields(value)]
    return "\n\n".join(part for part in parts if part)


def _class(name: str) -> Iterator[str]:
    described = getattr(client, name)
    yield f"## {name}"
    yield _code(name, described) if not name.endswith("Collection") else ""
    yield _text(described)
    for member, value in vars(described).items():
        if not member.startswith("_") and inspect.isfunction(value):
            yield f"### {name}.{member}"
            yield _code(member, value)
            yield _text(value)


def _code(name: str, value: Any) -> str:
    """Returns the signature, one parameter per line if it is long."""
    signature = inspect.signature(value)
    parameters = [str(each) for each in signature.parameters.values() if each.name != "self"]
    keywords = [index for index, each in enumerate(signature.parameters.values()) if each.kind is each.KEYWORD_ONLY]
    if keywords:
        parameters.insert(keywords[0] - ("self" in signature.parameters), "*")
    returned = "" if isinstance(value, type) else f" -> {signature.return_annotation}"
    start = "async def " if inspect.iscoroutinefunction(value) else "class " if isinstance(value, type) else "def "
    line = f"{start}{name}({', '.join(parameters)}){returned}"
    if len(line) > 100:
        line = f"{start}{name}(\n    " + ",\n    ".join(parameters) + f",\n){returned}"
    # Annotations are strings because the client's modules have `from __future__ import annotations`.
    return "```python\n" + line.replace("'", "") + "\n```"


def _text(value: Any) -> str:
    """Returns a Google-style docstring as Markdown."""
    lines: list[str] = []
    section = ""
    for line in (inspect.getdoc(value) or "").splitlines():
        found = _SECTION.match(line)
        if found:
            section = found[1]
            lines += ["", f"**{section}**", ""]
        elif section in ("Args", "Attributes", "Raises") and re.match(r"    [\w, ]+: ", line):
            name, _, rest = line.strip().partition(": ")
            lines.append(f"- `{name}`: {rest}")
        elif section:
            lines.append(f"{'  ' if section not in ('Returns', 'Yields') else ''}{line.strip()}")
        else:
            lines.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip()


def _fields(struct: type[msgspec.Struct]) -> str:
    rows = [f"| `{each.name}` | `{_type(each.type)}` |" for each in msgspec.structs.fields(struct)]
    return "\n".join(["| field | type |", "|---|---|", *rows])


def _type(annotation: Any) -> str:
    """Returns a type without its annotations for the wire format."""
    text = (
        annotation.__name__ if isinstance(annotation, type) and not hasattr(annotation, "__args__") else str(annotation)
    )
    while "Annotated[" in text:
        start = text.index("Annotated[")
        text = text[:start] + _first_argument(text[start + len("Annotated[") :])
    text = re.sub(r"\b(?:[a-z_]\w*\.)+", "", text)
    text = text.replace("ndarray[tuple[Any, ...], dtype[float32]]", "NDArray[float32]")
    return re.sub(r"Optional\[(.*)\]", r"\1 | None", text).replace("|", "\\|")


def _first_argument(rest: str) -> str:
    """Given `T, Meta(...)] and more`, returns `T and more`."""
    depth, first = 0, ""
    for at, sign in enumerate(rest):
        depth += (sign in "[(") - (sign in "])")
        if depth < 0:
            return (first or rest[:at]) + rest[at + 1 :]
        if sign == "," and depth == 0 and not first:
            first = rest[:at]
    return first
