"""Build inputs of packages and container images are pinned by digest and complete for both architectures."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml

from devtools import ROOT
from face_comparison_operator.settings import Settings

DOCKERFILE = (ROOT / "Dockerfile").read_text()
BUILD = (ROOT / "container" / "build.txt").read_text()
LOCK = {each["name"]: each for each in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
DISTRIBUTIONS = ("service", "operator")
# Names that RFC 2606 and 6761 reserve, and the image builder's own.
RESERVED = re.compile(r"^(localhost|([a-z0-9-]+\.)*(invalid|example|example\.(com|net|org)))(:\d+)?/")


def test_base_image_is_pinned() -> None:
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", DOCKERFILE, re.MULTILINE))
    sources = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) - set(
        re.findall(r"^FROM .* AS (\S+)$", DOCKERFILE, re.MULTILINE)
    )
    resolved = {re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], source) for source in sources}
    assert resolved
    assert [each for each in resolved if not re.fullmatch(r"[a-z0-9.]+/\S+:\S+@sha256:[0-9a-f]{64}", each)] == []


def test_build_tools_are_pinned() -> None:
    expected = set(re.findall(r"^([a-z]\S*)$", (ROOT / "container" / "build.in").read_text(), re.MULTILINE))
    pinned = re.findall(r"^([a-z][\w-]*)==\S+ \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", BUILD, re.MULTILINE)
    assert expected <= {name for name, _ in pinned}
    assert len(pinned) == len(re.findall(r"^[a-z]", BUILD, re.MULTILINE))
    for each in DISTRIBUTIONS:
        assert set(tomllib.loads((ROOT / each / "pyproject.toml").read_text())["build-system"]["requires"]) <= expected


def test_build_installs_only_locked_packages() -> None:
    installs = re.findall(r"(?:pip install|uv pip install|uv sync)[^\n]*(?:\\\n[^\n]*)*", DOCKERFILE)
    assert installs
    free = [each for each in installs if not re.search(r"--require-hashes|--locked|--no-deps", each)]
    assert free == []


def closure(name: str, extras: tuple[str, ...]) -> set[str]:
    """Returns everything that is installed with a package, by the lock file; for either value of a marker."""
    package = LOCK[name]
    todo = [
        *package.get("dependencies", []),
        *(each for extra in extras for each in package.get("optional-dependencies", {})[extra]),
    ]
    found: set[str] = set()
    while todo:
        dependency = todo.pop()
        if dependency["name"] not in found and "sys_platform == 'win32'" not in dependency.get("marker", ""):
            found.add(dependency["name"])
            package = LOCK[dependency["name"]]
            todo += package.get("dependencies", [])
            for extra in dependency.get("extra", []):
                todo += package.get("optional-dependencies", {}).get(extra, [])
    return found


IMAGES = [
    ("face-comparison", tuple(re.findall(r"--extra (\S+)", command)))
    for command in re.findall(r"uv sync .*--package face-comparison (.*--no-install-workspace)", DOCKERFILE)
]


@pytest.mark.parametrize(("name", "extras"), [*IMAGES, ("face-comparison-operator", ())], ids=str)
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_dependency_has_a_wheel_for_the_machine(name: str, extras: tuple[str, ...], machine: str) -> None:
    """For the base image's Python, or for any; nothing has to be compiled."""
    python = re.search(r"python:3\.(\d+)", DOCKERFILE)
    assert python

    def fits(wheel: dict[str, Any]) -> bool:
        tags = wheel["url"].rpartition("/")[2].removesuffix(".whl").split("-")[-3:]
        for_python = tags[0].startswith("py") or tags[0] == f"cp3{python[1]}" or tags[1] == "abi3"
        return for_python and (tags[2] == "any" or ("manylinux" in tags[2] and machine in tags[2]))

    packages = closure(name, extras)
    assert packages
    assert [each for each in packages if not any(map(fits, LOCK[each].get("wheels", [])))] == []


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_each_distribution_carries_license_notice_and_readme(distribution: str) -> None:
    folder = ROOT / distribution
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["license-files"] == ["LICENSE", "NOTICE"]
    for name in project["license-files"]:
        assert (folder / name).read_bytes() == (ROOT / name).read_bytes()
    assert (folder / project["readme"]).read_text()
    assert {f"!{distribution}/{name}" for name in (*project["license-files"], project["readme"])} <= set(
        (ROOT / ".dockerignore").read_text().splitlines()
    )


def test_image_names_cannot_be_claimed_by_others() -> None:
    """Neither in manifests that are applied unchanged, nor where the operator gets no option."""
    named = [Settings().service_image]
    for path in (ROOT / "manifests").rglob("*.yaml"):
        text = path.read_text()
        named += re.findall(r"^ +image: (\S+)$", text, re.MULTILINE)
        named += re.findall(r"IMAGE\n +value: (\S+)$", text, re.MULTILINE)
    assert len(named) > 3
    assert [each for each in named if not RESERVED.match(each)] == []


def test_chart_values_name_no_registry() -> None:
    values = yaml.safe_load((ROOT / "charts" / "face-comparison" / "values.yaml").read_text())
    assert values["image"]["registry"] == ""
