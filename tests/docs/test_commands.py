"""Documented commands exist: subcommands and options of the program, make targets, and values of the chart."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from devtools import ROOT, chart_values
from devtools.docs.pages import PAGES, blocks
from face_comparison.cli.main import main

SHELL = ("sh", "bash", "")
DEFAULT = "build"
"""`album DIR` is `album build DIR`; other groups have no such command."""
PROGRAM = re.compile(r"(?:^|[;|&(]) *(?:\w+=\S* +)*(?:\.venv/bin/)?face-comparison(?= )")
MAKE = re.compile(r"(?:^|[;|&(]) *make (?P<rest>[^|;&)#\n]*)", re.MULTILINE)
SCHEMA = chart_values.schema(chart_values.values((chart_values.CHART / "values.yaml").read_text()))
VALUE = re.compile(r"--set ([\w.\\]+)(?:\[|=)")


def lines(page: Path) -> Iterator[str]:
    """Returns each command of a page's shell blocks on one line, without comments."""
    for language in SHELL:
        for block in blocks(page, language):
            joined = re.sub(r"\\\n\s*", " ", block)
            yield from (re.sub(r"(^|\s)#\s.*", "", line) for line in joined.splitlines())


def named(page: Path) -> Iterator[str]:
    """Returns the program's commands that a page names incorrectly."""
    for line in lines(page):
        for found in PROGRAM.finditer(line):
            words = shlex.split(re.split(r"[|;&>)]", line[found.end() :])[0].replace("'", "").replace('"', ""))
            command: click.Command = main
            while isinstance(command, click.Group) and words and not words[0].startswith("-"):
                context, name = click.Context(command), words.pop(0)
                inner = command.get_command(context, name) or command.get_command(context, DEFAULT)
                if inner is None:
                    yield f"{line.strip()}: no command {name}"
                    words.clear()
                    break
                command = inner
            options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {
                "--help",
                "--version",
            }
            yield from (
                f"{line.strip()}: no option {word}"
                for word in words
                if word.startswith("--") and word.partition("=")[0] not in options
            )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_of_the_program_exist(page: Path) -> None:
    assert list(named(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_targets_of_make_exist(page: Path) -> None:
    makefiles = "\n".join((ROOT / name).read_text() for name in ("Makefile", "release.mk"))
    targets = {
        target
        for line in re.findall(r"^([\w-]+(?: [\w-]+)*):(?!=)", makefiles, re.MULTILINE)
        for target in line.split()
    }
    assert {"run", "images", "docs"} <= targets
    shown = "\n".join(lines(page))
    expected = {word for found in MAKE.finditer(shown) for word in found["rest"].split() if "=" not in word}
    assert {word for word in expected if not word.startswith("-")} - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_values_of_the_chart_exist(page: Path) -> None:
    wrong = []
    for line in lines(page):
        if "helm" not in line or ("charts/face-comparison" not in line and "face-comparison-" not in line):
            continue
        for name in VALUE.findall(line):
            inner = SCHEMA
            for part in name.replace("\\.", "/").split("."):
                if "properties" not in inner and (inner.get("additionalProperties") or inner.get("type") == "object"):
                    break  # a map accepts every key
                inner = inner.get("properties", {}).get(part, {})
                if not inner:
                    wrong.append(f"{line.strip()}: no value {name}")
                    break
    assert not wrong


def test_nonexistent_names_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nface-comparison detect a.jpg --frobnicate 3\nface-comparison detekt a.jpg\n```\n")
    assert [each.rpartition(": ")[2] for each in named(page)] == ["no option --frobnicate", "no command detekt"]
