"""Determines to whom a live object belongs, and so whether the operator changes, adopts, awaits, or ignores it."""

from __future__ import annotations

from enum import Enum

from face_comparison_operator.resource import DIGEST_ANNOTATION, INSTANCE_LABEL, KIND, MANAGER, FaceComparison, Object


class Ownership(Enum):
    """How an object relates to a resource."""

    OWNED = "owned"
    ORPHANED = "orphaned"
    """Created by the operator for this instance, but without a controller, as after orphan deletion or a restore."""
    LEFT_OVER = "left over"
    """A child of an earlier resource with this name, which garbage collection is about to remove."""
    FOREIGN = "foreign"


def ownership(resource: FaceComparison, live: Object) -> Ownership:
    """Determines to whom a live object belongs that has the name of a child of `resource`."""
    metadata = live["metadata"]
    owners = metadata.get("ownerReferences") or []
    if any(owner["uid"] == resource.uid for owner in owners):
        return Ownership.OWNED
    if any(owner["kind"] == KIND and owner["name"] == resource.name for owner in owners):
        return Ownership.LEFT_OVER
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    ours = (labels.get("app.kubernetes.io/managed-by"), labels.get(INSTANCE_LABEL)) == (MANAGER, resource.child)
    if ours and DIGEST_ANNOTATION in annotations and not any(owner.get("controller") for owner in owners):
        return Ownership.ORPHANED
    return Ownership.FOREIGN


def is_terminating(live: Object) -> bool:
    """Returns whether the object is being deleted but still exists."""
    return "deletionTimestamp" in live["metadata"]
