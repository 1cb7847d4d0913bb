"""The pure parts of the local cluster: cgroups, image keys, and output."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from devtools.local_cluster import cgroups, config, images
from devtools.local_cluster.__main__ import shorten
from devtools.local_cluster.commands import NodeFailed
from devtools.local_cluster.node import Node


@pytest.fixture
def unified(tmp_path: Path) -> Path:
    """The cgroup root of version 2, as files."""
    (tmp_path / "cgroup.procs").write_text("")
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids\n")
    (tmp_path / "cgroup.subtree_control").write_text("")
    return tmp_path


@pytest.fixture
def separate(tmp_path: Path) -> Path:
    """The cgroup root of version 1, as files: one tree per controller, one of them with two names."""
    for name in ("cpu", "cpuset", "memory"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").write_text("")
    (tmp_path / "cpuacct").symlink_to("cpu")
    return tmp_path


def test_cgroup_v2_delegates_available_controllers(unified: Path) -> None:
    cgroups.make("node", unified)
    assert (unified / "node").is_dir()
    assert (unified / "cgroup.subtree_control").read_text() == "+cpu +cpuset +memory +pids +io"


def test_cgroup_v1_creates_group_in_every_tree(separate: Path) -> None:
    assert [tree.name for tree in cgroups.trees(separate)] == ["cpu", "cpuset", "memory"]
    cgroups.make("node", separate)
    assert sorted(path.parent.name for path in separate.glob("*/node")) == ["cpu", "cpuacct", "cpuset", "memory"]


@pytest.mark.parametrize("trees", ["unified", "separate"])
def test_groups_are_removed_from_the_innermost(trees: str, request: pytest.FixtureRequest) -> None:
    root: Path = request.getfixturevalue(trees)
    cgroups.make("node", root)
    for tree in cgroups.trees(root):
        (tree / "node" / "pods" / "one").mkdir(parents=True)
    assert cgroups.remove("node", root) == []
    assert list(root.glob("**/node")) == []


def test_groups_with_processes_are_reported(unified: Path) -> None:
    cgroups.make("node", unified)
    (unified / "node" / "busy").mkdir()
    (unified / "node" / "busy" / "a process").write_text("")  # as busy as a folder can be
    assert cgroups.remove("node", unified) == [unified / "node" / "busy", unified / "node"]


def test_configuration_files_can_be_parsed(tmp_path: Path) -> None:
    files = config.files(config.Layout(tmp_path), "node", Path("/usr/sbin/runc"))
    kubelet = yaml.safe_load(files["kubelet.yaml"])
    assert kubelet["clusterDNS"] == [config.DNS_SERVICE]
    assert kubelet["cgroupRoot"] == "/node"
    assert config.SANDBOX_IMAGE in files["containerd.toml"]
    assert files["resolv.conf"] == ""  # pods use none of the host's servers


def test_image_is_rebuilt_only_if_its_inputs_change(sources: Path) -> None:
    service, operator = images._key("service", sources), images._key("operator", sources)
    (sources / "service" / "src" / "a.py").write_text("changed")
    assert images._key("service", sources) != service
    assert images._key("operator", sources) == operator
    (sources / "README.md").write_text("changed")
    (sources / "operator" / "src" / "__pycache__").mkdir()
    (sources / "operator" / "src" / "__pycache__" / "b.pyc").write_text("changed")
    assert images._key("operator", sources) == operator
    (sources / "Dockerfile").write_text("changed")
    assert images._key("operator", sources) != operator


def test_long_lists_are_abbreviated() -> None:
    assert shorten({"face_hash": list(range(768)), "Faces": [1]}) == {
        "face_hash": [0, 1, 2, 3, 4, "… 768 in all"],
        "Faces": [1],
    }


def test_node_is_locked_by_one_program(tmp_path: Path) -> None:
    with Node("mine", tmp_path / "mine").alone():
        with pytest.raises(NodeFailed, match="mine: wait"), Node("mine", tmp_path / "mine").alone():
            pass
        with Node("other", tmp_path / "other").alone():
            pass
    with Node("mine", tmp_path / "mine").alone():
        pass
