"""The documented `docker build`, typed on a bare Debian, makes an image that compares a pair.

Two differences from the page: the base image is one of Debian's packages, because the registry of the Dockerfile's may
be unreachable, and the build uses this machine's network and the certificate authorities that it trusts.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from devtools import ROOT
from devtools.bare_debian import machine as debian
from devtools.bare_debian.machine import Machine
from devtools.local_cluster import images
from support.documented import CHECKOUT, block, clone, need_debian, typed

pytestmark = [pytest.mark.node, pytest.mark.timeout(2700)]

DOCKER = ROOT / "docs" / "how-to" / "docker.md"
TRUSTING_BASE = "localhost/base:trusting"


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with Docker that reaches package registries, with a base image that trusts what this machine trusts."""
    need_debian()
    state = tmp_path_factory.mktemp("builder")
    (state / "lib").mkdir()
    try:
        base = images.save_base(state / "base.tar")
        checkout = clone(tmp_path_factory.mktemp("clone"))
        mounts = {CHECKOUT: checkout, "/var/lib/docker": state / "lib", "/root/base.tar": state / "base.tar"}
        with debian.machine(state / "machine", mounts, network=True) as created:
            created.start_docker()
            typed(created, "docker load --quiet --input /root/base.tar")
            typed(
                created,
                "mkdir /root/base && cp /etc/ssl/certs/ca-certificates.crt /root/base/\n"
                f"printf 'FROM {base}\\nCOPY ca-certificates.crt /etc/ssl/certs/\\n' > /root/base/Dockerfile\n"
                f"docker build --quiet --network host --tag {TRUSTING_BASE} /root/base",
            )
            yield created
    finally:
        shutil.rmtree(state, ignore_errors=True)


def test_docker_build_and_compose_build(builder: Machine) -> None:
    """`docker compose build` finds every layer of the first build."""
    command = block(DOCKER, "docker build --target service --tag")
    options = f"--network host --build-arg BASE_IMAGE={TRUSTING_BASE}"
    typed(builder, command.replace("docker build", f"docker build {options}"))
    assert "same person" in typed(builder, block(DOCKER, "--network none")).stdout
    (name,) = [word for word in command.split() if word.startswith("localhost/")]
    built = typed(builder, f"docker image inspect --format '{{{{.Config.User}}}}' {name}").stdout
    assert built.strip() == "65532:65532"
    override = f"services: {{face-comparison: {{build: {{network: host, args: {{BASE_IMAGE: '{TRUSTING_BASE}'}}}}}}}}"
    typed(builder, f'echo "{override}" > compose.override.yaml')
    again = typed(builder, "docker compose --progress plain build", seconds=600)
    assert (again.stdout + again.stderr).count("CACHED") > 10
