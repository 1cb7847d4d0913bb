"""Volumes and a PostgreSQL StatefulSet, which tests of collections on a node need."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

from devtools.local_cluster import images
from face_comparison_operator.api_resources import ApiResource
from support.product import Object, Product

STATEFUL_SET = ApiResource("apps/v1", "StatefulSet", "statefulsets")
DATABASE, PASSWORD = "database", "not-a-secret"
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}

_START = """
if [ ! -s /data/pg/PG_VERSION ]; then
  rm -rf /data/new
  echo "$PASSWORD" >/tmp/password
  initdb -D /data/new --auth=scram-sha-256 --pwfile=/tmp/password -U postgres -E utf8 --locale=C
  echo 'host all all all scram-sha-256' >>/data/new/pg_hba.conf
  mv /data/new /data/pg
fi
chmod 0700 /data/pg  # kubelet gives the volume's files to the group again when it mounts it
exec postgres -D /data/pg -c 'listen_addresses=*' -c unix_socket_directories=/tmp -c shared_buffers=64MB
"""


def volume(product: Product, namespace: str, name: str) -> tuple[Object, Path]:
    """Returns a PersistentVolume of a folder on the node, for the claim of this name, and the folder. Root owns it."""
    folder = product.node.layout.state / "volumes" / f"{namespace}-{name}"
    folder.mkdir(mode=0o755, parents=True)
    hostname = {"key": "kubernetes.io/hostname", "operator": "In", "values": [product.node.name]}
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "",
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": name},
        "local": {"path": str(folder)},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [hostname]}]}},
    }
    created = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{namespace}-{name}"},
        "spec": spec,
    }
    return created, folder


def claim(namespace: str, name: str) -> Object:
    """Returns a claim for the volume of this name."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "",
            "volumeName": f"{namespace}-{name}",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }


def forget_volume(product: Product, namespace: str, name: str) -> None:
    product.node.kubectl("delete", "persistentvolume", f"{namespace}-{name}", "--wait=false")
    shutil.rmtree(product.node.layout.state / "volumes" / f"{namespace}-{name}", ignore_errors=True)


def database(namespace: str, image: images.Image, replicas: int = 1) -> list[Object]:
    """Returns PostgreSQL with a claim `database`, a Service, and a Secret with its URI like CloudNativePG's."""
    labels = {"app": DATABASE}
    where = {"name": DATABASE, "namespace": namespace}
    uri = f"postgresql://postgres:{PASSWORD}@{DATABASE}.{namespace}.svc:5432/postgres"
    container = {
        "name": "postgres",
        "image": image.name,
        "imagePullPolicy": "Never",
        "command": ["sh", "-ceu", _START],
        "env": [{"name": "PASSWORD", "value": PASSWORD}],
        "ports": [{"containerPort": 5432}],
        "readinessProbe": {
            "exec": {"command": ["pg_isready", "--host=127.0.0.1", "--username=postgres"]},
            "periodSeconds": 1,
        },
        "resources": {"requests": {"cpu": "20m", "memory": "100Mi"}},
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    pod = {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 5,
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": DATABASE}}],
    }
    return [
        claim(namespace, DATABASE),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": where,
            "data": {"uri": base64.b64encode(uri.encode()).decode()},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": where,
            "spec": {"clusterIP": "None", "selector": labels, "ports": [{"port": 5432}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": where,
            "spec": {
                "replicas": replicas,
                "serviceName": DATABASE,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
    ]
