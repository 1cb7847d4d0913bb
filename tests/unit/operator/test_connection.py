"""How the operator finds the API server: kubeconfig files by the usual rules, tokens and plugins."""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from parts.certificates import Authority

from face_comparison_operator.connection import connect
from face_comparison_operator.errors import InvalidSettings


def write(path: Path, user: dict[str, Any], cluster: dict[str, Any] | None = None, **more: Any) -> str:
    config = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", **more}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://192.0.2.1:6443/", **(cluster or {})}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


def test_a_token(tmp_path: Path) -> None:
    found = connect({"KUBECONFIG": write(tmp_path / "config", {"token": "secret"}, namespace="mine")})
    assert (found.server, found.namespace, found.in_cluster) == ("https://192.0.2.1:6443", "mine", False)
    assert found.authorization() == "Bearer secret"


def test_name_and_password(tmp_path: Path) -> None:
    found = connect({"KUBECONFIG": write(tmp_path / "config", {"username": "me", "password": "p:w"})})
    assert found.authorization() == "Basic " + base64.b64encode(b"me:p:w").decode()


def test_certificates_in_files_beside_the_config_or_in_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.sign("me", "me")
    files = {"client-certificate": certificate.name, "client-key": key.name}
    found = connect({"KUBECONFIG": write(tmp_path / "a", files, {"certificate-authority": authority.certificate.name})})
    assert found.authorization() is None
    assert found.tls.get_ca_certs()
    data = {f"{name}-data": base64.b64encode((tmp_path / file).read_bytes()).decode() for name, file in files.items()}
    inline = {"certificate-authority-data": base64.b64encode(authority.certificate.read_bytes()).decode()}
    assert connect({"KUBECONFIG": write(tmp_path / "b", data, inline)}).tls.get_ca_certs() == found.tls.get_ca_certs()


def test_of_several_files_the_first_counts(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a", {"token": "first"}), write(tmp_path / "b", {"token": "second"})
    both = os.pathsep.join([str(tmp_path / "absent"), first, second])
    assert connect({"KUBECONFIG": both}).authorization() == "Bearer first"


def test_a_token_in_a_file_is_read_again_when_it_is_refused(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("one\n")
    found = connect({"KUBECONFIG": write(tmp_path / "config", {"tokenFile": "token"})})
    assert found.authorization() == "Bearer one"
    token.write_text("two\n")
    assert found.authorization() == "Bearer one"
    assert found.authorization(refused=True) == "Bearer two"


def plugin(tmp_path: Path, program: str) -> dict[str, Any]:
    script = tmp_path / "plugin.py"
    script.write_text(program)
    version = "client.authentication.k8s.io/v1"
    env = [{"name": "WHO", "value": "me"}]
    return {"exec": {"apiVersion": version, "command": sys.executable, "args": [str(script)], "env": env}}


def test_a_plugin_gives_a_token_and_is_asked_again_when_it_is_refused(tmp_path: Path) -> None:
    program = """
import json, os, pathlib
asked = pathlib.Path(__file__).with_name("asked")
count = len(asked.read_text()) + 1 if asked.exists() else 1
asked.write_text("x" * count)
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
print(json.dumps({"kind": info["kind"], "status": {"token": f"{os.environ['WHO']}-{count}"}}))
"""
    found = connect({"KUBECONFIG": write(tmp_path / "config", plugin(tmp_path, program))})
    assert [found.authorization(), found.authorization()] == ["Bearer me-1", "Bearer me-1"]
    assert found.authorization(refused=True) == "Bearer me-2"


def test_a_plugin_that_fails_is_named(tmp_path: Path) -> None:
    found = connect({"KUBECONFIG": write(tmp_path / "config", plugin(tmp_path, "raise SystemExit(3)"))})
    with pytest.raises(InvalidSettings, match="credential plugin"):
        found.authorization()


def test_what_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InvalidSettings, match="no cluster"):
        connect({})
    path = tmp_path / "config"
    path.write_text(json.dumps({"current-context": "gone"}))
    with pytest.raises(InvalidSettings, match="gone"):
        connect({"KUBECONFIG": str(path)})


def test_the_home_folder_is_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kube").mkdir()
    write(tmp_path / ".kube" / "config", {"token": "home"})
    assert connect({}).authorization() == "Bearer home"
