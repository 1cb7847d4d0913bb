"""The tutorial as a new user follows it: its commands, copied from the page, print the documented output."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.docs import transcript
from devtools.k8s import programs
from devtools.local_cluster import images, install
from support.product import Product

pytestmark = [pytest.mark.node, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
END = "--- that was step"


class Shell:
    """A shell in the cluster's network, as `build/cluster bash` opens it."""

    def __init__(self, product: Product) -> None:
        self._process = product.start("tutorial", ["bash", "--noprofile", "--norc"])
        self._step = 0
        self.type(f"exec 2>&1; set -o pipefail; cd '{ROOT}'")

    def type(self, commands: str) -> tuple[int, str]:
        """Returns the status and the output of commands that are typed together; the first failure ends them."""
        self._step += 1
        end = f"{END} {self._step}"
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"set -e\n{commands}\nset +e; printf '\\n{end} 0\\n'\n")
        self._process.stdin.flush()
        lines: list[str] = []
        for line in self._process.stdout:
            if line.startswith(end):
                return int(line.removeprefix(end)), "".join(lines)
            lines.append(line)
        return self._process.wait(), "".join(lines)

    def close(self) -> None:
        """Closes it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@pytest.fixture
def shell(product: Product, built: list[images.Image]) -> Iterator[Shell]:
    """A shell on a cluster without the product, which is installed again afterwards for the other tests."""
    try:
        product.node.kubectl("delete", "facecomparisons", "--all", "--all-namespaces")
        product.run(programs.binary("helm"), "uninstall", install.RELEASE, f"--namespace={install.SYSTEM}", "--wait")
        product.node.kubectl("delete", "customresourcedefinition", "facecomparisons.facecomparison.dev")
        with contextlib.closing(Shell(product)) as typed:
            yield typed
    finally:
        (ROOT / "reply.json").unlink(missing_ok=True)  # which the tutorial writes to the working directory
        install.helm(product.node, install.CHART, *install.chart_values(built))


def test_tutorial_commands_print_the_documented_output(shell: Shell) -> None:
    for step in transcript.steps(ROOT / "docs" / "tutorial.md"):
        if step.inside:
            status, printed = shell.type(step.commands)
        else:
            done = subprocess.run(
                ["bash", "-eu", "-c", step.commands], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
            )
            status, printed = done.returncode, done.stdout
        assert status == 0, f"{step.commands}\n{printed}"
        assert step.shown is not None
        assert transcript.output_matches(step.shown, printed), (
            f"{step.commands}\nthe page says\n{step.shown}\nit prints\n{printed}"
        )
