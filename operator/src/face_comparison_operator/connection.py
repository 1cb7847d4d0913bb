"""How to reach the API server: the pod's own service account, else the usual kubeconfig rules. Files and commands only.

Certificates are loaded into memory at once; tokens of a service account and of a credential plugin run out, so they
are asked for anew (`token`), the first at most every minute, the second when the API server refuses the last one.
"""

from __future__ import annotations

import base64
import os
import ssl
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import yaml

from face_comparison_operator.errors import InvalidSettings

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_SECONDS = 60.0  # the kubelet renews the file well before the token runs out
PLUGIN_SECONDS = 60.0


@dataclass(slots=True)
class Connection:
    """Address, TLS and credentials of an API server."""

    server: str
    tls: ssl.SSLContext
    namespace: str
    in_cluster: bool = False
    proxy: str | None = None
    basic: tuple[str, str] | None = None
    _token: str | None = None
    _token_file: Path | None = None
    _plugin: dict[str, Any] | None = None
    _read_at: float = field(default=float("-inf"))

    def authorization(self, *, refused: bool = False) -> str | None:
        """The value of the header `Authorization`; `refused` says that the last one was not good (any more)."""
        if self.basic:
            return "Basic " + base64.b64encode(":".join(self.basic).encode()).decode()
        if self._token_file and (refused or time.monotonic() > self._read_at + TOKEN_SECONDS):
            self._token, self._read_at = self._token_file.read_text().strip(), time.monotonic()
        if self._plugin and (refused or self._token is None):
            self._token = _ask_plugin(self._plugin)
        return f"Bearer {self._token}" if self._token else None


def connect(environ: Mapping[str, str]) -> Connection:
    """The connection that the machine is set up for. InvalidSettings says what is missing."""
    if "KUBERNETES_SERVICE_HOST" in environ and (SERVICE_ACCOUNT / "token").exists():
        return _in_cluster(environ)
    named = environ.get("KUBECONFIG", "")
    paths = [Path(part).expanduser() for part in named.split(os.pathsep) if part] or [Path.home() / ".kube" / "config"]
    return _from_kubeconfig([path for path in paths if path.exists()])


def _in_cluster(environ: Mapping[str, str]) -> Connection:
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    return Connection(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        tls=ssl.create_default_context(cafile=SERVICE_ACCOUNT / "ca.crt"),
        namespace=(SERVICE_ACCOUNT / "namespace").read_text().strip(),
        in_cluster=True,
        _token_file=SERVICE_ACCOUNT / "token",
    )


def _from_kubeconfig(paths: list[Path]) -> Connection:
    """Several files are one: of each name the first counts, and paths in a file are relative to it."""
    if not paths:
        raise InvalidSettings("no cluster: not inside one, KUBECONFIG names no file, and there is no ~/.kube/config")
    found: dict[str, dict[str, dict[str, Any]]] = {"clusters": {}, "users": {}, "contexts": {}}
    current = None
    for path in paths:
        config = yaml.safe_load(path.read_text()) or {}
        current = current or config.get("current-context")
        for section, field_name in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
            for item in config.get(section) or []:
                found[section].setdefault(item["name"], _absolute(item.get(field_name) or {}, path.parent))
    try:
        context = found["contexts"][str(current)]
        cluster, user = found["clusters"][context["cluster"]], found["users"].get(context.get("user", ""), {})
    except KeyError as error:
        raise InvalidSettings(f"the kubeconfig has no {error}, which its current context {current!r} needs") from None
    if "auth-provider" in user:
        raise InvalidSettings("the kubeconfig uses an auth-provider, which Kubernetes dropped: use a credential plugin")
    token_file = user.get("tokenFile")
    return Connection(
        server=cluster["server"].rstrip("/"),
        tls=_tls(cluster, user),
        namespace=context.get("namespace") or "default",
        proxy=cluster.get("proxy-url"),
        basic=(user["username"], user.get("password", "")) if "username" in user else None,
        _token=user.get("token"),
        _token_file=Path(token_file) if token_file else None,
        _plugin=user.get("exec"),
    )


def _absolute(section: dict[str, Any], folder: Path) -> dict[str, Any]:
    files = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
    return section | {name: str(folder / section[name]) for name in files if section.get(name)}


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    data = cluster.get("certificate-authority-data")
    context = ssl.create_default_context(
        cafile=cluster.get("certificate-authority"), cadata=base64.b64decode(data).decode() if data else None
    )
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if user.get("client-certificate-data") or user.get("client-certificate"):
        _load_certificate(context, user)
    return context


def _load_certificate(context: ssl.SSLContext, user: Mapping[str, Any]) -> None:
    # The ssl module reads certificates only from files.
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name in ("client-certificate", "client-key"):
            data = user.get(f"{name}-data")
            path = Path(folder) / name if data else Path(user[name])
            if data:
                path.touch(mode=0o600)
                path.write_bytes(base64.b64decode(data))
            paths.append(path)
        context.load_cert_chain(paths[0], paths[1])


def _ask_plugin(plugin: Mapping[str, Any]) -> str:
    """A token from a credential plugin (`users[].user.exec`), as kubectl asks it."""
    version = plugin.get("apiVersion", "client.authentication.k8s.io/v1")
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    extra = {variable["name"]: variable["value"] for variable in plugin.get("env") or []}
    environment = {**os.environ, **extra, "KUBERNETES_EXEC_INFO": msgspec.json.encode(info).decode()}
    command = [plugin["command"], *(plugin.get("args") or [])]
    try:
        result = subprocess.run(command, env=environment, capture_output=True, timeout=PLUGIN_SECONDS, check=True)
        token: str = msgspec.json.decode(result.stdout)["status"]["token"]
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError, KeyError) as error:
        raise InvalidSettings(f"the credential plugin {plugin['command']} gave no token: {error}") from error
    return token
