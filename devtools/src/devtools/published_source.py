"""Prints the folder to build a package or the chart from: a copy with the project's addresses, if there are any.

The addresses are known only where a release is published, so the repository names none (see RELEASE.md). Needs nothing
but Python, as `make wheels` does.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

BUILD_SYSTEM = "[build-system]"


def with_urls(pyproject: str, home: str, docs: str) -> str:
    """Returns the text of a pyproject.toml with `[project.urls]`."""
    urls = {"Homepage": home}
    if docs:
        urls |= {"Documentation": docs, "Changelog": f"{docs.rstrip('/')}/changelog/"}
    lines = "".join(f"{name} = {json.dumps(url)}\n" for name, url in urls.items())
    before, separator, after = pyproject.partition(BUILD_SYSTEM)
    if not separator:
        raise ValueError("the pyproject.toml has no [build-system]")
    return f"{before}[project.urls]\n{lines}\n{separator}{after}"


def with_home(chart: str, home: str) -> str:
    """Returns the text of a Chart.yaml with `home` and `sources`."""
    return f"{chart.rstrip()}\nhome: {json.dumps(home)}\nsources: [{json.dumps(home)}]\n"


def published(folder: Path, copies: Path, home: str, docs: str) -> Path:
    """Returns the folder, or a copy in `copies` that has the addresses.

    Args:
        folder: A package's or the chart's.
        copies: Where the copy is made anew.
        home: The project's address; empty: none.
        docs: The address of the documentation; empty: none.

    Raises:
        ValueError: if an address is not an http or https URL.
    """
    if not home:
        return folder
    for url in filter(None, (home, docs)):
        if not url.startswith(("https://", "http://")):
            raise ValueError(f"{url!r} is not a URL that begins with https:// or http://")
    copy = copies / folder.name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    pyproject, chart = copy / "pyproject.toml", copy / "Chart.yaml"
    if pyproject.exists():
        pyproject.write_text(with_urls(pyproject.read_text(), home, docs))
    else:
        chart.write_text(with_home(chart.read_text(), home))
    return copy


def main() -> None:
    """Prints the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--copies", type=Path, required=True)
    parser.add_argument("--home", default="")
    parser.add_argument("--docs", default="")
    given = parser.parse_args()
    try:
        print(published(given.folder, given.copies, given.home, given.docs))
    except ValueError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
