"""The workflows run targets of the Makefile, with pinned actions and minimal permissions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from devtools import ROOT

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yaml"))
TARGETS = set(
    re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text() + (ROOT / "release.mk").read_text(), re.MULTILINE)
)
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def steps(path: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(path.read_text())["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


@each_workflow
def test_actions_are_pinned_by_digest(path: Path) -> None:
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert used
    assert [each for each in used if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", each)] == []


@each_workflow
def test_workflows_run_make_targets(path: Path) -> None:
    commands = "\n".join(step.get("run", "") for step in steps(path))
    called = re.findall(r"\bmake ((?:[a-z-]+ ?)+)", commands)
    assert called
    assert {target for words in called for target in words.split()} <= TARGETS


@each_workflow
def test_workflow_permissions_are_minimal(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    checkouts = [step for step in steps(path) if "checkout" in step.get("uses", "")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
    assert all(job["timeout-minutes"] for job in workflow["jobs"].values())


def test_every_folder_of_tests_is_run_by_one_of_three_jobs() -> None:
    jobs = yaml.safe_load((FOLDER / "ci.yaml").read_text())["jobs"]
    commands = {name: "\n".join(step.get("run", "") for step in job["steps"]) for name, job in jobs.items()}
    assert len(commands) == 3
    left_out = re.search(r"grep -vE '/\(([\w|]+)\)/\$'", commands.pop("fast"))
    assert left_out
    elsewhere = re.findall(r"tests/(\w+)", "\n".join(commands.values()))
    assert sorted(left_out[1].split("|")) == sorted(elsewhere)
    assert all((ROOT / "tests" / name).is_dir() for name in elsewhere)


def test_tests_that_need_root_are_run_by_the_job_that_has_it() -> None:
    """The others would fail: in CI, a test that cannot have what it needs is not skipped."""
    marked = {
        path.relative_to(ROOT / "tests").parts[0]
        for path in (ROOT / "tests").rglob("test_*.py")
        if "pytest.mark.node" in path.read_text() and path != Path(__file__)
    }
    jobs = yaml.safe_load((FOLDER / "ci.yaml").read_text())["jobs"]
    with_root = " ".join(step.get("run", "") for step in jobs["node"]["steps"])
    assert {"e2e", "install"} <= marked
    assert marked <= set(re.findall(r"tests/(\w+)", with_root))
