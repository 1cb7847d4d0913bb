"""Each documented command of Docker and Compose, typed as on the page, compares a pair.

One difference: the container image is the one of the cluster tests (the registry of the Dockerfile's base image may be
unreachable), so Docker loads it instead of building it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from devtools import ROOT
from devtools.bare_debian import machine as debian
from devtools.bare_debian.machine import Machine
from devtools.k8s.controlplane import attempts
from devtools.local_cluster import images
from support.documented import CHECKOUT, block, clone, need_debian, typed

pytestmark = [pytest.mark.node, pytest.mark.timeout(2700)]

DOCKER = ROOT / "docs" / "how-to" / "docker.md"


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with Docker, in an isolated network, with the container image that the page builds."""
    need_debian()
    image = images.build("service")
    folder = clone(tmp_path_factory.mktemp("clone"))
    state = tmp_path_factory.mktemp("docker")
    (state / "lib").mkdir()
    mounts = {CHECKOUT: folder, "/var/lib/docker": state / "lib", "/root/service.tar": image.archive}
    try:
        with debian.machine(state / "machine", mounts, network=False) as created:
            created.start_docker()
            (name,) = set(re.findall(r"--target service --tag (\S+)", DOCKER.read_text()))
            typed(created, f"docker load --quiet --input /root/service.tar && docker tag {image.name} {name}")
            yield created
    finally:
        shutil.rmtree(state, ignore_errors=True)


def wait_answers(machine: Machine, header: str = "") -> None:
    for _ in attempts(240, pause=0.2):
        if machine.run(f"curl -fs {header} http://127.0.0.1:8080/readyz").returncode == 0:
            return
    raise AssertionError(machine.run("docker ps --all; docker logs $(docker ps --quiet --all | head -1)").stdout)


def compared(machine: Machine, more: str = "") -> list[bool]:
    """Returns the output of the page's curl for the same person, and for a stranger."""
    curl = block(DOCKER, "curl -s http://127.0.0.1:8080/prod/face_comparison/compare").replace(
        "curl -s", f"curl -s {more}"
    )
    replies = [json.loads(typed(machine, each).stdout) for each in (curl, curl.replace("another", "stranger"))]
    return [reply["Targets"][0]["SamePerson"] for reply in replies]


def stop_all(machine: Machine) -> None:
    machine.run("docker ps --quiet | xargs --no-run-if-empty docker stop --time 20")


def test_docker_run(docker: Machine) -> None:
    command = block(DOCKER, "docker run --rm --publish 127.0.0.1:8080:8080 --read-only")
    with subprocess.Popen(docker.command(command, folder=CHECKOUT), stdout=subprocess.DEVNULL) as running:
        try:
            wait_answers(docker)
            assert compared(docker) == [True, False]
        finally:
            stop_all(docker)
        assert running.wait(60) == 0


def test_docker_run_with_api_keys(docker: Machine) -> None:
    command = block(DOCKER, "openssl rand")
    with subprocess.Popen(docker.command(command, folder=CHECKOUT), stdout=subprocess.DEVNULL) as running:
        try:
            wait_answers(docker)
            key = typed(docker, "cut -d: -f2 api-keys").stdout.strip()
            assert compared(docker, f"-H 'x-api-key: {key}'") == [True, False]
            refused = typed(docker, "curl -s http://127.0.0.1:8080/prod/face_comparison -F img=@one.jpg")
            assert json.loads(refused.stdout)["error"]["code"] == "unauthorized"
        finally:
            stop_all(docker)
        running.wait(60)


def test_docker_run_of_the_command_line(docker: Machine) -> None:
    assert "same person" in typed(docker, block(DOCKER, "--network none")).stdout


def test_compose(docker: Machine) -> None:
    """Up, a pair, an enrolled face; down keeps the volume, and up restores the face."""
    up, _, down = block(DOCKER, "docker compose up").strip().splitlines()
    up = up.replace("--build ", "--no-build ")
    typed(docker, up)
    assert compared(docker) == [True, False]
    collections = "http://127.0.0.1:8080/prod/face_comparison/collections"
    typed(docker, f"curl -fsS {collections} -H 'Content-Type: application/json' -d '{{\"CollectionId\": \"staff\"}}'")
    typed(docker, f"curl -fsS {collections}/staff/faces -F img=@one.jpg -F UserId=anna")
    typed(docker, down)
    typed(docker, up)
    found = json.loads(typed(docker, f"curl -fsS {collections}/staff/search -F img=@another.jpg").stdout)
    assert [face["Matches"][0]["UserId"] for face in found["Faces"]] == ["anna"]
    typed(docker, f"{down} --volumes")
