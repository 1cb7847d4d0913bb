"""The FaceComparison resource: its identity, and the names and labels of its children.

Names and labels are defined only here, so that builders, watches and status cannot disagree.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from face_comparison_operator.errors import InvalidSpec
from face_comparison_operator.spec import Spec

GROUP, VERSION, PLURAL, KIND = "facecomparison.dev", "v1alpha1", "facecomparisons", "FaceComparison"
API_VERSION = f"{GROUP}/{VERSION}"
MANAGER = "face-comparison-operator"
CONTAINER, MODEL_CONTAINER = "service", "model"
PORT, SERVICE_PORT = 8080, 80
ENVIRONMENT = "FACE_COMPARISON_"  # prefix of the service's environment variables

MANAGED_BY = f"app.kubernetes.io/managed-by={MANAGER}"
INSTANCE_LABEL = "app.kubernetes.io/instance"
DIGEST_ANNOTATION = f"{GROUP}/desired"  # on a child: digest of its desired state
TEMPLATE_ANNOTATION = f"{GROUP}/template"  # on a pod: digest of its pod template
IDENTITY_HEADER = "X-Face-Comparison-Identity"  # in every response: the uid of the resource whose pod responded

Object = dict[str, Any]


class FaceComparison(msgspec.Struct, frozen=True):
    """A resource: its identity, its spec, and the last written status."""

    name: str
    namespace: str
    uid: str
    generation: int
    spec: Spec
    status: Object
    # During a stage migration (see `stage_migration.py`): the stages that the route serves, and the previous stage,
    # which pods still serve.
    routed: tuple[str, ...] = ()
    former_stage: str | None = None

    @property
    def stages(self) -> tuple[str, ...]:
        """Returns the stages that the route serves, starting with the URL's."""
        return self.routed or (self.spec.stage,)

    @property
    def child(self) -> str:
        """Returns the name of every child, which is also the instance label."""
        return child_name(self.name)

    @property
    def has_status(self) -> bool:
        """Returns whether the operator has written a status.

        The API server's default for a new resource does not count.
        """
        return "conditions" in self.status

    @property
    def selector(self) -> dict[str, str]:
        """Returns the labels that select the pods. They are part of immutable fields: never change them."""
        return {
            "app.kubernetes.io/name": "face-comparison",
            INSTANCE_LABEL: self.child,
            "app.kubernetes.io/managed-by": MANAGER,
        }

    @property
    def owner_reference(self) -> Object:
        """Returns the controller owner reference of every child, used by garbage collection."""
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }


def parse(body: Object) -> FaceComparison:
    """Parses a resource as sent by the API server.

    Raises:
        InvalidSpec: The spec does not match this operator's version of the schema, or asks for autoscaling by CPU
            without a CPU request.
    """
    metadata = body["metadata"]
    try:
        spec = msgspec.convert(body.get("spec") or {}, Spec)
    except msgspec.ValidationError as error:
        raise InvalidSpec(f"the spec cannot be parsed; does the installed CRD match the operator? {error}") from error
    if spec.autoscaling and spec.autoscaling.metric == "CPU" and not _asks_for_cpu(spec.resources):
        # Quantities may be numbers or text. Schemas have no type for that, so CEL rules cannot access them.
        raise InvalidSpec("autoscaling by CPU is relative to the CPU request: set resources.requests.cpu")
    return FaceComparison(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        spec=spec,
        status=body.get("status") or {},
    )


def _asks_for_cpu(resources: Object) -> bool:
    return any("cpu" in (resources.get(amounts) or {}) for amounts in ("requests", "limits"))


def child_name(name: str) -> str:
    """Returns the name of a resource's children: that of the resource, unless it is not a valid Service name.

    A Service name is a DNS label that begins with a letter; a resource's name may be longer, contain dots, or begin
    with a digit. Such a name is adapted and gets a hash, so that two resources never share a name.
    """
    if re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name):
        return name
    readable = re.sub(r"[^a-z0-9]+", "-", f"fc-{name}" if not name[0].isalpha() else name)
    return f"{readable[:50].strip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
