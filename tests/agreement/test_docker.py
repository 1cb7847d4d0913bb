"""compose.yaml and the page about Docker use existing targets, options, and the current version."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from typing import Any

import yaml

from devtools import ROOT
from face_comparison.settings import Settings

DOCKERFILE = (ROOT / "Dockerfile").read_text()
PAGE = (ROOT / "docs" / "how-to" / "docker.md").read_text()
README = (ROOT / "README.md").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["face-comparison"]
VERSION = tomllib.loads((ROOT / "service" / "pyproject.toml").read_text())["project"]["version"]
OPTIONS = {f"FACE_COMPARISON_{option.name.upper()}" for option in fields(Settings)}


def targets(names: list[str]) -> set[str]:
    assert names
    return set(names) - set(re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE))


def test_image_names_are_dockerfile_targets_of_this_version() -> None:
    assert targets([COMPOSE["build"]["target"], *re.findall(r"--target (\S+)", PAGE)]) == set()
    images = [COMPOSE["image"], *re.findall(r"localhost/\S+", PAGE)]
    assert {image.partition(":")[2] for image in images} == {VERSION}
    assert targets([image.partition(":")[0].rpartition("/")[2] for image in images]) == set()


def test_readme_and_docker_page_show_the_same_commands() -> None:
    built, run = re.findall(r"^docker .*$", README, re.MULTILINE)
    assert built in PAGE
    (image,) = re.findall(r"--tag (\S+)", built)
    assert run.endswith(f" {image}")
    assert "--publish 127.0.0.1:" in run


def test_options_exist() -> None:
    used = {*re.findall(r"FACE_COMPARISON_\w+", PAGE), *COMPOSE.get("environment", {})}
    assert used
    assert used <= OPTIONS


def test_container_is_confined_and_local() -> None:
    assert COMPOSE["read_only"] is True
    assert COMPOSE["cap_drop"] == ["ALL"]
    assert COMPOSE["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in COMPOSE["ports"])
    assert COMPOSE["mem_limit"]
    runs = re.findall(r"^docker run (?:.*\\\n)*.*$", PAGE, re.MULTILINE)
    serving = [each for each in runs if "--publish" in each and "--gpus" not in each]
    assert serving
    for each in serving:
        assert "--read-only" in each
        assert "--cap-drop ALL --security-opt no-new-privileges" in each


def test_stop_timeout_covers_accepted_requests() -> None:
    assert int(COMPOSE["stop_grace_period"].removesuffix("s")) > Settings().request_seconds


def test_serving_containers_listen_on_all_addresses() -> None:
    """By default, the service listens on 127.0.0.1, which is unreachable from outside the container."""
    assert Settings().host == "127.0.0.1"
    stages = dict(re.findall(r"^FROM \S+ AS (\S+)$(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL))
    serving = {name: text for name, text in stages.items() if 'CMD ["serve"]' in text}
    assert set(serving) == {"service", "service-gpu"}
    for text in serving.values():
        assert re.search(r"\bFACE_COMPARISON_HOST=0\.0\.0\.0\b", text)
    # Nothing that runs these container images overrides it.
    assert "FACE_COMPARISON_HOST" not in COMPOSE.get("environment", {})
    assert not re.findall(r"FACE_COMPARISON_HOST|--host", PAGE)
