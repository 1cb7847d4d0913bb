"""Each documented way to install, typed as the pages have it on a bare Debian: it ends with a compared pair.

Commands are read from the pages. What differs: the image is the one that the other tests build (the base image of the
Dockerfile is in a registry that may be out of reach), so Docker loads it instead of building it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools import ROOT
from devtools.bare_debian import machine as debian
from devtools.bare_debian.machine import DebianUnavailable, Machine
from devtools.docs.pages import blocks
from devtools.k8s import programs
from devtools.k8s.controlplane import attempts
from devtools.local_cluster import images
from devtools.photos import samples

pytestmark = [pytest.mark.node, pytest.mark.timeout(1200)]

DOCKER, INSTALL = ROOT / "docs" / "how-to" / "docker.md", ROOT / "docs" / "how-to" / "install.md"
PHOTOGRAPHS = {"one.jpg": "obama.jpg", "another.jpg": "obama2.jpg", "stranger.jpg": "biden.jpg"}
CHECKOUT = "/root/face-comparison"
SECONDS = 900.0


def block(page: Path, words: str) -> str:
    """The one shell block of a page that holds these words."""
    (found,) = [text for text in blocks(page, "sh") if words in text]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader is: a clone of this repository with two photographs of one person and one of another."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink() or source.is_file():
            shutil.copy2(source, target, follow_symlinks=False)
    for name, original in PHOTOGRAPHS.items():
        shutil.copy(samples.photographs()[original], folder / name)
    folder.chmod(0o755)  # as a folder in a home is; the container is another user
    return folder


@pytest.fixture(scope="module")
def connected(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine that reaches package registries, with this machine's caches of packages and settings of pip."""
    if missing := debian.missing():
        if os.environ.get("CI"):
            raise DebianUnavailable(missing)
        pytest.skip(missing)
    mounts = {CHECKOUT: folder}
    for name in ("pip", "uv"):
        cache = programs.cache().parent / "debian" / f"{name}-cache"
        cache.mkdir(parents=True, exist_ok=True)
        mounts[f"/root/.cache/{name}"] = cache
    if (settings := Path("/etc/pip.conf")).exists():
        mounts["/etc/pip.conf"] = settings
    with debian.machine(tmp_path_factory.mktemp("connected") / "state", mounts, network=True) as made:
        yield made


def typed(machine: Machine, shell: str, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
    """What a reader gets who types this in the clone; pip and uv trust what this machine trusts."""
    trusted = {"PIP_CERT": "/etc/ssl/certs/ca-certificates.crt", "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"}
    done = subprocess.run(
        machine.command(shell, folder=CHECKOUT, environment=trusted),
        capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{shell}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


@pytest.fixture(scope="module")
def wheels(connected: Machine) -> Machine:
    """The machine after the page's first command."""
    typed(connected, block(INSTALL, "apt-get install").replace("sudo apt-get install", "dpkg --status >/dev/null"))
    typed(connected, "make wheels")
    return connected


def verdicts(machine: Machine, program: str) -> tuple[int, str]:
    """The exit status of a comparison with a stranger, and what the comparison with the same person says."""
    same = typed(machine, f"{program} compare one.jpg another.jpg")
    other = subprocess.run(
        machine.command(f"{program} compare one.jpg stranger.jpg", folder=CHECKOUT),
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    return other.returncode, same.stdout


def test_pip_on_a_bare_debian(wheels: Machine) -> None:
    command = block(INSTALL, "pip install 'build/release/python/face_comparison-0.1.0-py3-none-any.whl[cpu]'\nface")
    said = typed(wheels, f"python3 -m venv /root/venv\n. /root/venv/bin/activate\n{command}")
    assert "same person" in said.stdout
    assert verdicts(wheels, "/root/venv/bin/face-comparison")[0] == 1


def test_pipx_on_a_bare_debian(wheels: Machine) -> None:
    """The model is fetched by the first comparison, where it never was."""
    typed(wheels, "rm -rf ~/.cache/face-comparison")
    typed(wheels, block(INSTALL, "pipx install 'build"))
    first = typed(wheels, "face-comparison compare one.jpg another.jpg")
    assert "same person" in first.stdout
    assert "fetching the model, once" in first.stderr
    assert verdicts(wheels, "face-comparison")[0] == 1


def test_uvx_on_a_bare_debian(wheels: Machine) -> None:
    typed(wheels, "pipx install uv")
    said = typed(wheels, block(INSTALL, "uvx --from 'build"))
    assert "same person" in said.stdout


def test_the_client_alone_on_a_bare_debian(wheels: Machine) -> None:
    install = block(INSTALL, "face_comparison_client-0.1.0")
    typed(wheels, f"python3 -m venv /root/client\n. /root/client/bin/activate\n{install}")
    (sample,) = [text for text in blocks(INSTALL, "python") if "face_comparison_client" in text]
    typed(wheels, f"/root/client/bin/python - <<'END'\n{sample}\nprint(Client, distance)\nEND")


def test_make_run_on_a_bare_debian(connected: Machine) -> None:
    """The packages that the page names are all that it takes; what is shown ends with pairs."""
    shell = "make --no-print-directory run PORT=0"
    with subprocess.Popen(
        connected.command(shell, folder=CHECKOUT, environment={"SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"}),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as running:  # fmt: skip
        shown = []
        try:
            for line in running.stdout or ():
                shown.append(line)
                if "Ctrl-C stops it." in line:
                    break
        finally:
            running.kill()
    said = "".join(shown)
    assert re.search(r"obama\.jpg +obama2\.jpg +same person", said), said[-3000:]
    assert re.search(r"obama\.jpg +biden\.jpg +different people", said)


# --- containers -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def docker(folder: Path, built: list[images.Image], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with Docker, in a network that leads nowhere, with the image that the page builds."""
    image = next(each for each in built if each.repository == "service")
    state = tmp_path_factory.mktemp("docker")
    (state / "lib").mkdir()
    mounts = {CHECKOUT: folder, "/var/lib/docker": state / "lib", "/root/service.tar": image.archive}
    with debian.machine(state / "machine", mounts, network=False) as made:
        made.start_docker()
        (name,) = set(re.findall(r"--target service --tag (\S+)", DOCKER.read_text()))
        typed(made, f"docker load --quiet --input /root/service.tar && docker tag {image.name} {name}")
        yield made
    shutil.rmtree(state, ignore_errors=True)


def wait_answers(machine: Machine, header: str = "") -> None:
    for _ in attempts(120, pause=0.2):
        if machine.run(f"curl -fs {header} http://127.0.0.1:8080/readyz").returncode == 0:
            return
    raise AssertionError(machine.run("docker ps --all; docker logs $(docker ps --quiet --all | head -1)").stdout)


def compared(machine: Machine, more: str = "") -> list[bool]:
    """What the page's curl says of the same person, and of a stranger."""
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
    """Up, a pair, an enrolled face; down keeps the volume, and up has the face again."""
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
