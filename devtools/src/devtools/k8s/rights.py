"""The operator's identity as the chart creates it: its ServiceAccount, with the roles and policies of a release."""

from __future__ import annotations

import uuid
from pathlib import Path

import yaml

from devtools.helm import Helm
from devtools.k8s.controlplane import ControlPlane

ABOUT_RIGHTS = (
    *("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
    *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
)


def kubeconfig(plane: ControlPlane, folder: Path, *options: str) -> Path:
    """Returns a kubeconfig for the ServiceAccount of a release with these options, in a new namespace."""
    release = f"release-{uuid.uuid4().hex[:8]}"
    plane.kubectl("create", "namespace", release)
    permitted = "--set=allowed.serviceAccounts={*}"  # as by the options of `Operator`
    created = [each for each in Helm().template(permitted, *options, namespace=release) if each["kind"] in ABOUT_RIGHTS]
    plane.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(created))
    (account,) = [each["metadata"]["name"] for each in created if each["kind"] == "ServiceAccount"]
    token = plane.kubectl("create", "token", account, f"--namespace={release}", "--duration=10h").strip()
    admin = yaml.safe_load(plane.kubeconfig.read_text())
    context = {**admin["contexts"][0]["context"], "namespace": release}
    restricted = {
        **admin,
        "users": [{"name": context["user"], "user": {"token": token}}],
        "contexts": [{"name": admin["current-context"], "context": context}],
    }
    path = folder / f"{release}.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(restricted))
    return path
