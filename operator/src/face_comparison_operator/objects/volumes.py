"""Builds the volumes of pods.

The model, API keys, the collection store, certificate authorities, and volumes in the spec.
"""

from __future__ import annotations

from face_comparison_operator.resource import FaceComparison, Object

API_KEYS = "api-keys"
AUTH_FOLDER = "/etc/face-comparison/auth"
MODEL_FOLDER = "/models"
STORE_FOLDER = "/var/lib/face-comparison/collections"
STORE_SECRET_FOLDER = "/etc/face-comparison/collections"  # noqa: S105 (a folder)
CA_FOLDER = "/etc/face-comparison/ca"
OWN_VOLUME = "user-"  # prefix of the names of volumes in the spec


def model_mount(resource: FaceComparison) -> list[Object]:
    """Builds the mount of a model that is not in the image."""
    model = resource.spec.model
    if not (model.s3 or model.volume_claim):
        return []
    return [{"name": "model", "mountPath": MODEL_FOLDER, "readOnly": True}]


def mounts(resource: FaceComparison) -> list[Object]:
    """Builds every mount of the service container except its temporary folder."""
    collections = resource.spec.collections
    entries = [*model_mount(resource), *_auth_mount(resource), *ca_mount(resource)]
    if collections.embedded:
        entries.append({"name": "collections", "mountPath": STORE_FOLDER})
    if collections.postgres:
        entries.append({"name": "collections", "mountPath": STORE_SECRET_FOLDER, "readOnly": True})
    return [*entries, *own_mounts(resource)]


def ca_mount(resource: FaceComparison) -> list[Object]:
    """Builds the mount of certificate authorities."""
    return [{"name": "ca-bundle", "mountPath": CA_FOLDER, "readOnly": True}] if resource.spec.ca_bundle else []


def own_mounts(resource: FaceComparison) -> list[Object]:
    """Builds the mounts of the volumes in the spec."""
    return [
        {
            "name": f"{OWN_VOLUME}{volume.name}",
            "mountPath": volume.mount_path,
            **({"subPath": volume.sub_path} if volume.sub_path else {}),
            **({"readOnly": True} if volume.read_only and volume.empty_dir is None else {}),
        }
        for volume in resource.spec.volumes
    ]


def _auth_mount(resource: FaceComparison) -> list[Object]:
    if resource.spec.auth.mode != "ApiKey":
        return []
    # Mounts the folder rather than the file: with a single file (subPath), the kubelet does not update a changed Secret
    # in a running pod.
    return [{"name": "auth", "mountPath": AUTH_FOLDER, "readOnly": True}]


def volumes(resource: FaceComparison) -> list[Object]:
    """Builds every volume of a pod."""
    spec = resource.spec
    entries: list[Object] = [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}]
    if spec.model.s3:
        entries.append({"name": "model", "emptyDir": {"sizeLimit": "8Gi"}})
    if spec.model.volume_claim:
        claim = {"claimName": spec.model.volume_claim.claim_name, "readOnly": True}
        entries.append({"name": "model", "persistentVolumeClaim": claim})
    if spec.auth.mode == "ApiKey":
        secret = {"secretName": spec.auth.secret_name, "items": [{"key": API_KEYS, "path": API_KEYS}]}
        entries.append({"name": "auth", "secret": secret})
    if spec.collections.embedded:
        claim = {"claimName": spec.collections.embedded.volume_claim.claim_name}
        entries.append({"name": "collections", "persistentVolumeClaim": claim})
    if spec.collections.postgres:
        store = spec.collections.postgres
        secret = {"secretName": store.secret_name, "items": [{"key": store.key, "path": store.key}]}
        entries.append({"name": "collections", "secret": secret})
    if spec.ca_bundle:
        bundle = spec.ca_bundle
        items = [{"key": bundle.key, "path": bundle.key}]
        entries.append({"name": "ca-bundle", "configMap": {"name": bundle.config_map_name, "items": items}})
    return [*entries, *({"name": f"{OWN_VOLUME}{each.name}", **each.source} for each in spec.volumes)]
