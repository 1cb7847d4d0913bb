"""How the operator finds the API server: what kopf and the official client read from kubeconfig files.

Each case is a separate process, because the client reads the environment once.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from devtools.k8s.certificates import Authority
from devtools.k8s.controlplane import attempts
from face_comparison_operator.kopf_adapter import RETRY_SECONDS

PROGRAM = """
import sys
{before}
import dataclasses, json
from face_comparison_operator import errors, kopf_adapter
from face_comparison_operator.settings import Settings
framework = kopf_adapter._framework(Settings())
try:
    logins = [kopf_adapter._login(framework) for _ in range({times})]
    print(json.dumps([
        dict(server=each.server, authorization=each.headers.get("Authorization"), namespace=each.namespace,
             proxy=each.proxy, in_cluster=each.in_cluster, authorities=len(each.tls.get_ca_certs()))
        for each in logins
    ]))
except errors.InvalidSettings as error:
    print(json.dumps(error.message))
"""


def login(kubeconfig: str | None, home: Path, times: int = 1, before: str = "") -> Any:
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    if kubeconfig:
        environment["KUBECONFIG"] = kubeconfig
    command = [sys.executable, "-c", PROGRAM.format(times=times, before=before)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(result.stdout)


def write(path: Path, user: dict[str, Any], cluster: dict[str, Any] | None = None, **more: Any) -> str:
    config = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", **more}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://192.0.2.1:6443/", **(cluster or {})}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


def test_token_namespace_and_proxy_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a", {"token": "secret"}, {"proxy-url": "http://192.0.2.2:3128"}, namespace="mine")
    (access,) = login(path, tmp_path)
    assert access["server"].rstrip("/") == "https://192.0.2.1:6443"
    assert (access["authorization"], access["namespace"]) == ("Bearer secret", "mine")
    assert (access["proxy"], access["in_cluster"]) == ("http://192.0.2.2:3128", False)


def test_certificates_from_files_and_inline(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.sign("me", "me")
    files = {"client-certificate": certificate.name, "client-key": key.name}
    (beside,) = login(write(tmp_path / "a", files, {"certificate-authority": authority.certificate.name}), tmp_path)
    data = {f"{name}-data": base64.b64encode((tmp_path / file).read_bytes()).decode() for name, file in files.items()}
    inline = {"certificate-authority-data": base64.b64encode(authority.certificate.read_bytes()).decode()}
    (inside,) = login(write(tmp_path / "b", data, inline), tmp_path)
    assert beside == inside
    assert inside["authorities"] > 0


def test_first_of_several_files_wins(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a", {"token": "first"}), write(tmp_path / "b", {"token": "second"})
    (access,) = login(os.pathsep.join([first, second]), tmp_path)
    assert access["authorization"] == "Bearer first"


def test_credential_plugin_is_called_at_each_login(tmp_path: Path) -> None:
    script = tmp_path / "plugin.py"
    script.write_text("""
import json, os, pathlib
calls = pathlib.Path(__file__).with_name("calls")
count = len(calls.read_text()) + 1 if calls.exists() else 1
calls.write_text("x" * count)
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
token = f"{os.environ['WHO']}-{count}"
print(json.dumps({"apiVersion": info["apiVersion"], "kind": info["kind"], "status": {"token": token}}))
""")
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(script)],
        "env": [{"name": "WHO", "value": "me"}],
        "interactiveMode": "Never",
    }
    logins = login(write(tmp_path / "config", {"exec": plugin}), tmp_path, times=2)
    assert [each["authorization"] for each in logins] == ["Bearer me-1", "Bearer me-2"]


def test_login_without_official_client(tmp_path: Path) -> None:
    """As in the container image: credentials in the file suffice; for others, the error names what to install."""
    missing = "sys.modules['kubernetes'] = None"
    (access,) = login(write(tmp_path / "a", {"token": "secret"}), tmp_path, before=missing)
    assert access["authorization"] == "Bearer secret"
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "true", "interactiveMode": "Never"}
    message = login(write(tmp_path / "b", {"exec": plugin}), tmp_path, before=missing)
    assert "face-comparison-operator[kubeconfig]" in message


def test_home_folder_is_the_fallback(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    write(tmp_path / ".kube" / "config", {"token": "home"})
    (access,) = login(None, tmp_path)
    assert (access["authorization"], access["namespace"]) == ("Bearer home", "default")


@pytest.mark.parametrize(
    ("config", "words"),
    [(None, "no cluster"), ({"current-context": "gone"}, "gone"), ({}, "kubeconfig cannot be used")],
)
def test_missing_configuration_is_reported(tmp_path: Path, config: dict[str, Any] | None, words: str) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    assert words in login(str(path) if config is not None else None, tmp_path)


def test_rejected_credentials_are_retried_with_pauses(tmp_path: Path) -> None:
    refused: list[tuple[float, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path in ("/api", "/apis"):  # where kopf starts, with both at once or with one of them
                refused.append((time.monotonic(), self.path))
            self.send_error(401)

        def log_message(self, *_: object) -> None:
            """Logs nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever).start()
    path = write(tmp_path / "config", {"token": "old"}, {"server": f"http://127.0.0.1:{server.server_port}"})
    command = [str(Path(sys.executable).with_name("face-comparison-operator")), "run", "--no-leader-election"]
    process = subprocess.Popen(
        [*command, "--metrics-port=0", "--health-port=0"],
        env=os.environ | {"KUBECONFIG": path},
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in attempts(60):
            assert process.poll() is None
            if refused and refused[-1][0] >= refused[0][0] + RETRY_SECONDS:
                break
        else:
            pytest.fail(f"after the first refusal it asked {len(refused) - 1} times more in a minute")
        early = [path for at, path in refused if at < refused[0][0] + RETRY_SECONDS / 2]
        assert len(early) == len(set(early))
    finally:
        process.kill()
        process.wait()
        server.shutdown()
        server.server_close()
