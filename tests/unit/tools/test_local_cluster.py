"""The parts of the local cluster that decide without a cluster: control groups, image keys, what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from devtools.local_cluster import cgroups, config, images
from devtools.local_cluster.__main__ import shorten
from devtools.local_cluster.node import Node, NodeFailed


@pytest.fixture
def unified(tmp_path: Path) -> Path:
    """The root of control groups, version 2, as files."""
    (tmp_path / "cgroup.procs").write_text("")
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids\n")
    (tmp_path / "cgroup.subtree_control").write_text("")
    return tmp_path


@pytest.fixture
def separate(tmp_path: Path) -> Path:
    """The root of control groups, version 1, as files: one tree for each controller, one of them by two names."""
    for name in ("cpu", "cpuset", "memory"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").write_text("")
    (tmp_path / "cpuacct").symlink_to("cpu")
    return tmp_path


def test_version_2_passes_the_controllers_on_that_it_has(unified: Path) -> None:
    cgroups.make("node", unified)
    assert (unified / "node").is_dir()
    assert (unified / "cgroup.subtree_control").read_text() == "+cpu +cpuset +memory +pids +io"


def test_version_1_makes_the_group_in_every_tree_once(separate: Path) -> None:
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


def test_what_still_holds_processes_is_reported(unified: Path) -> None:
    cgroups.make("node", unified)
    (unified / "node" / "busy").mkdir()
    (unified / "node" / "busy" / "a process").write_text("")  # as busy as a folder can be
    assert cgroups.remove("node", unified) == [unified / "node" / "busy", unified / "node"]


def test_configuration_is_what_its_readers_parse(tmp_path: Path) -> None:
    files = config.files(config.Layout(tmp_path), "node", Path("/usr/sbin/runc"))
    kubelet = yaml.safe_load(files["kubelet.yaml"])
    assert kubelet["clusterDNS"] == [config.DNS_SERVICE]
    assert kubelet["cgroupRoot"] == "/node"
    assert config.SANDBOX_IMAGE in files["containerd.toml"]
    assert files["resolv.conf"] == ""  # pods ask no server of the host's


def test_an_image_is_built_again_for_what_it_is_made_of_and_nothing_else(sources: Path) -> None:
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


def test_long_lists_are_shown_by_their_first_numbers() -> None:
    assert shorten({"face_hash": list(range(768)), "Faces": [1]}) == {
        "face_hash": [0, 1, 2, 3, 4, "… 768 in all"],
        "Faces": [1],
    }


def test_one_program_at_a_time_is_at_work_on_a_node(tmp_path: Path) -> None:
    with Node("mine", tmp_path / "mine").alone():
        with pytest.raises(NodeFailed, match="mine: wait"), Node("mine", tmp_path / "mine").alone():
            pass
        with Node("other", tmp_path / "other").alone():
            pass
    with Node("mine", tmp_path / "mine").alone():
        pass
