"""The harness that builds the real programs: what its cache key depends on, and where it finds Go."""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from devtools.k8s import programs


@pytest.fixture
def module(tmp_path: Path) -> Path:
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "go.mod").write_text("module example\n")
    (folder / "go.sum").write_text("")
    return folder


@pytest.mark.parametrize("changed", ["go.mod", "go.sum", "main.go"])
def test_key_changes_with_each_file_of_the_module(module: Path, changed: str) -> None:
    before = programs.content_key(module, "-s -w", "go1.26.8")
    (module / changed).write_text("module example // another\n")
    assert programs.content_key(module, "-s -w", "go1.26.8") != before


def test_key_changes_only_with_flags_and_go_version(module: Path) -> None:
    key = programs.content_key(module, "-s -w", "go1.26.8")
    assert programs.content_key(module, "-s", "go1.26.8") != key
    assert programs.content_key(module, "-s -w", "go1.26.9") != key
    (module / "go.mod").touch()
    assert programs.content_key(module, "-s -w", "go1.26.8") == key


def test_settings_are_delimited_in_the_key(module: Path) -> None:
    assert programs.content_key(module, "ab", "c") != programs.content_key(module, "a", "bc")


def test_programs_report_the_pinned_version() -> None:
    version = programs.pinned_version("kubernetes", "k8s.io/kubernetes")
    assert f"version.gitVersion={version} " in programs.link_flags("kubernetes")


@pytest.mark.parametrize("name", programs.PARTS)
def test_every_program_is_pinned_by_its_module(name: str) -> None:
    part = programs.PARTS[name]
    go_mod = (programs.HERE / "modules" / part.module / "go.mod").read_text().split()
    assert any(part.package.startswith(word) for word in go_mod if "." in word)


def test_build_order_within_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    ended: list[str] = []
    two = threading.Barrier(2, timeout=30)

    def binary(name: str) -> None:
        started.append(name)
        if name in ("versitygw", "etcd"):  # the first of two modules: each waits until the other has started, too
            two.wait()
        ended.append(name)

    monkeypatch.setattr(programs, "binary", binary)
    programs.build_all(["kube-apiserver", "etcd", "versitygw", "kubectl"])
    assert started[0] == ended[0] == "kube-apiserver"
    assert [name for name in ended if programs.PARTS[name].module == "kubernetes"][-2:] == ["etcd", "kubectl"]
    assert set(ended) == {"kube-apiserver", "etcd", "versitygw", "kubectl"}


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of programs, while Go keeps its own cache."""
    go_cache = subprocess.run([programs.go(), "env", "GOCACHE"], capture_output=True, text=True, check=True).stdout
    monkeypatch.setenv("GOCACHE", go_cache.strip())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.cluster
def test_program_is_built_once_and_atomically(empty_cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first = programs.binary("pause")
    assert programs.binary("pause") == first
    assert capfd.readouterr().err.count("building pause") == 1
    with pytest.raises(subprocess.TimeoutExpired):  # it runs, and waits as expected
        subprocess.run([first], timeout=0.2, check=False)
    assert sorted(path.name for path in first.parent.iterdir() if not path.name.endswith(".lock")) == ["pause"]


@pytest.mark.cluster
def test_replaced_files_are_copied() -> None:
    with programs.trimmed("traefik", "kubernetes") as (option,):
        go_mod = Path(option.removeprefix("-modfile="))
        lego = go_mod.parent / "github.com/go-acme/lego/v4"
        assert f"replace github.com/go-acme/lego/v4 => {lego}\n" in go_mod.read_text()
        replaced = Path("providers/dns/zz_gen_dns_providers.go")
        theirs = programs.source_folder("kubernetes", "github.com/go-acme/lego/v4")
        assert (lego / replaced).stat().st_size < (theirs / replaced).stat().st_size
        assert (lego / "README.md").read_bytes() == (theirs / "README.md").read_bytes()
    assert not lego.exists()
    with programs.trimmed("helm", "kubernetes") as options:
        assert options == []


@pytest.mark.cluster
def test_replacement_without_original_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(programs.HERE / "modules" / "kubernetes", tmp_path / "modules" / "kubernetes")
    monkeypatch.setattr(programs, "HERE", tmp_path)
    (tmp_path / "modules/kubernetes/instead/traefik/github.com/go-acme/lego/v4/moved.go").write_text("package lego\n")
    with (
        pytest.raises(programs.PartUnavailable, match=r"lego/v4/moved\.go is not part of what"),
        programs.trimmed("traefik", "kubernetes"),
    ):
        pass


@pytest.mark.cluster
def test_failed_build_reports_why(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = "facecomparison.dev/tests/parts/pause/missing"
    monkeypatch.setitem(programs.PARTS, "missing", programs.Part("pause", package))
    with pytest.raises(programs.PartUnavailable, match="pause/missing"):
        programs.binary("missing")
    assert not [path for path in empty_cache.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.cluster
def test_go_is_installed_from_the_pinned_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # nothing is found there
    programs.go.cache_clear()
    try:
        command = programs.go()
    finally:
        programs.go.cache_clear()
    assert command.is_relative_to(programs.cache())
    version = subprocess.run(
        [command, "version"],
        env={"GOTOOLCHAIN": "local", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert version.stdout.startswith("go version go1.26.6 ")
