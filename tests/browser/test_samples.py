"""The code that the Explorer shows, taken from the page as a visitor would, and run against the service."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from devtools import debian_packages
from devtools.explorer import Explorer, Service
from support.servers import Server, reply

PROGRAMS = {
    "cURL": "bash", "Python": sys.executable, "Java": "java", "JavaScript": "node", "Go": "go", "C#": "dotnet",
    "PHP": "php",
}  # fmt: skip
FILES = {
    "cURL": "call.sh", "Python": "call.py", "Java": "Call.java", "JavaScript": "call.mjs", "Go": "call.go",
    "C#": "Program.cs", "PHP": "call.php",
}  # fmt: skip
NEEDED = ("cURL", "Python", "Java", "JavaScript", "Go", "PHP")
"""Languages that CI always runs; C# runs where .NET is installed."""
AWKWARD = 'Anna\'s; "2", 张.jpg'


def run(language: str, code: str, folder: Path) -> str:
    """What the code prints, run in a folder that holds the images."""
    if language == "PHP":
        debian_packages.install("php", ["php-cli", "php-curl"])
    program = shutil.which(PROGRAMS[language])
    if program is None:
        if os.environ.get("CI") and language in NEEDED:
            pytest.fail(f"{PROGRAMS[language]} is missing")
        pytest.skip(f"{PROGRAMS[language]} is missing")
    file = folder / FILES[language]
    file.write_text(code)
    command = {"Go": [program, "run", file.name], "C#": [program, "run"]}.get(language, [program, file.name])
    if language == "C#":
        subprocess.run([program, "new", "console", "--force"], cwd=folder, check=True, capture_output=True, timeout=120)
        file.write_text(code)
    environ = os.environ | {"API_KEY": "secret-of-anna", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def told(language: str, output: str) -> Any:
    """The reply as far as the language prints it whole; JavaScript shortens it, Python prints objects of the client."""
    return json.loads(output) if language not in ("JavaScript", "Python") else None


@pytest.mark.parametrize("language", PROGRAMS)
def test_sample_with_api_key(
    explore: Callable[..., Explorer],
    closed_service: Service,
    photographs: dict[str, Path],
    tmp_path: Path,
    language: str,
) -> None:
    image = tmp_path / "photo.jpg"
    shutil.copy(photographs["obama.jpg"], image)
    explorer = explore(closed_service)
    explorer.page.get_by_role("dialog").get_by_label("API key").fill("secret-of-anna")
    explorer.page.get_by_role("button", name="Use this key").click()
    explorer.choose(image)
    expect(explorer.faces).to_have_count(1)
    output = run(language, explorer.code(language), tmp_path)
    reply_ = told(language, output)
    if reply_ is None:
        assert output.count("BoundingBox(") == 1 if language == "Python" else "Faces: [" in output
    else:
        assert len(reply_["Faces"]) == 1


@pytest.mark.parametrize("language", PROGRAMS)
def test_samples_with_awkward_file_names(
    explorer: Explorer, photographs: dict[str, Path], tmp_path: Path, language: str
) -> None:
    shutil.copy(photographs["obama.jpg"], tmp_path / AWKWARD)
    shutil.copy(photographs["biden.jpg"], tmp_path / "b.jpg")
    explorer.compare(tmp_path / AWKWARD, tmp_path / "b.jpg")
    explorer.page.get_by_role("slider", name="Threshold").fill("1.5")
    explorer.unfold()
    explorer.page.get_by_role("button", name="Send with threshold 1.500").click()
    expect(explorer.page.locator("#sample")).to_contain_text("1.5")
    output = run(language, explorer.code(language), tmp_path)
    reply_ = told(language, output)
    if reply_ is None:
        assert ("same_person=True" if language == "Python" else "Threshold: 1.5") in output
        assert ("verdict='same'" if language == "Python" else "SamePerson: true") in output
    else:
        assert reply_["Threshold"] == 1.5
        assert reply_["Targets"][0]["SamePerson"] is True


@pytest.mark.parametrize("language", PROGRAMS)
def test_samples_with_urls(explorer: Explorer, photographs: dict[str, Path], tmp_path: Path, language: str) -> None:
    with Server.on_loopback() as server:
        server.replies["/o'x.jpg"] = reply(photographs["table.jpg"].read_bytes(), content_type="image/jpeg")
        explorer.page.get_by_label("URL of an image").fill(server.url("/o'x.jpg?a=1&b=2"))
        explorer.page.get_by_role("button", name="Fetch").click()
        expect(explorer.page.locator(".box")).to_have_count(6)
        output = run(language, explorer.code(language), tmp_path)
    reply_ = told(language, output)
    if reply_ is None:
        assert output.count("BoundingBox(") == 6 if language == "Python" else "Faces: [" in output
    else:
        assert len(reply_["Faces"]) == 6
