"""Compares the declared lower bounds with the versions that the unit tests passed with: `make bounds`.

`make test-lowest` runs the unit tests of each distribution with the versions in `tests/lowest/`, and replaces a file
there when they pass with changed bounds. Without arguments, this program reports the declared bounds that are not in
it. It runs as a file, by any Python with the standard library alone: `make check` starts with it, before uv, which
would report a changed bound only as a lock that needs to be updated.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TESTED = Path("tests/lowest")
PROJECTS = ("service", "operator")
OF_THE_SAME_FILES = {"client": "service"}
"""Distributions that are tested with another, of whose files they are."""
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[[\w,-]+\])?\s*(?P<bounds>[^;\s]*)")
_LEFT_OUT = frozenset({"gpu"})
"""Extras that cannot be installed beside the others: their library has the version of the extra `cpu`."""


def normalized(name: str) -> str:
    """Returns a package's normalized name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def extras(project: str, root: Path = ROOT) -> list[str]:
    """Returns the tested extras of a distribution."""
    table = tomllib.loads((root / project / "pyproject.toml").read_text())["project"]
    return sorted(set(table.get("optional-dependencies", {})) - _LEFT_OUT)


def declared(project: str, root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """Yields the name and the lower bound of every dependency of a distribution, including its tested extras."""
    table = tomllib.loads((root / project / "pyproject.toml").read_text())["project"]
    optional = table.get("optional-dependencies", {})
    for row in [*table["dependencies"], *(row for extra in extras(project, root) for row in optional[extra])]:
        found = _REQUIREMENT.match(row)
        lower = re.search(r"(?:>=|==)([\d.]+)", row)
        if found is None or lower is None:
            raise ValueError(f"{project}/pyproject.toml: {row} has no lower bound")
        yield normalized(found["name"]), lower[1]


def tested(text: str) -> dict[str, str]:
    """Returns the versions by name from a file of pinned requirements."""
    pins = re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", text, re.MULTILINE)
    return {normalized(name): version for name, version in pins}


def problems(root: Path = ROOT) -> list[str]:
    """Returns one message per declared lower bound that the tests did not pass with."""
    tested_with = {project: project for project in PROJECTS} | OF_THE_SAME_FILES
    return [message for project, other in tested_with.items() for message in _problems(project, root, other)]


def _problems(project: str, root: Path, tested_with: str) -> Iterator[str]:
    path = root / TESTED / f"{tested_with}.txt"
    passed = tested(path.read_text()) if path.exists() else {}
    for name, lower in declared(project, root):
        found = passed.get(name, "no version")
        if _release(lower) != _release(found):
            yield (
                f"{project}/pyproject.toml: {name}>={lower} was not tested, {found} was: declare that version, or run "
                "`make test-lowest`"
            )


def _release(version: str) -> str:
    """Returns a version without trailing zeros: 2.0.0 is 2."""
    return re.sub(r"(?:\.0)+$", "", version)


def write(project: str, uv: str, path: Path) -> None:
    """Writes the versions to test with: the previous ones as long as the bounds are unchanged."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not list(_problems(project, ROOT, project)):
        path.write_text((ROOT / TESTED / f"{project}.txt").read_text())
        return
    command = [uv, "pip", "compile", "--quiet", "--resolution", "lowest-direct", "--python", sys.executable]
    command += ["--no-header", "--no-annotate", "--output-file", str(path), f"{project}/pyproject.toml"]
    command += [word for extra in extras(project) for word in ("--extra", extra)]
    path.unlink(missing_ok=True)  # otherwise its versions would be preferred
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def main(arguments: list[str]) -> int:
    """Prints the bounds that were not tested; with `PROJECT UV PATH`, writes the versions to test with."""
    if arguments:
        project, uv, path = arguments
        write(project, uv, Path(path))
        return 0
    try:
        found = problems()
    except ValueError as error:  # a dependency without a lower bound
        found = [str(error)]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
