"""Fill the tables of README.md that the source already holds: errors and options. `make generate` runs it."""

from __future__ import annotations

import re
from pathlib import Path

from face_comparison.app import STATUS
from face_comparison.openapi_schemas import MEANINGS
from face_comparison.settings import OPTIONS

README = Path(__file__).parents[1] / "README.md"


def errors() -> str:
    rows = sorted((status, error.code) for error, status in STATUS.items() if error.code in MEANINGS)
    lines = ["| status | code | meaning |", "|---|---|---|"]
    return "\n".join(lines + [f"| {status} | `{code}` | {MEANINGS[code]} |" for status, code in rows])


def options() -> str:
    lines = ["| option | default | meaning |", "|---|---|---|"]
    return "\n".join(lines + [f"| `{item.flag}` | {item.default or ''} | {item.help} |" for item in OPTIONS])


def filled(text: str) -> str:
    """The README with its tables as the source has them. Raises ValueError when a table's marks are missing."""
    for name, table in {"errors": errors(), "options": options()}.items():
        pattern = re.compile(rf"(<!-- table {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"README.md has no marks <!-- table {name} --> ... <!-- end -->")
        text = pattern.sub(lambda match, table=table: f"{match[1]}{table}\n{match[2]}", text)
    return text


if __name__ == "__main__":
    README.write_text(filled(README.read_text()))
