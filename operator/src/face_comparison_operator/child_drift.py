"""Compares a live child with the desired one, and prepares what is applied."""

from __future__ import annotations

from collections.abc import Iterator

from face_comparison_operator.api_resources import DEPLOYMENT, INGRESS, ApiResource, kind_of
from face_comparison_operator.child_history import ChildHistory
from face_comparison_operator.diff import Difference, differences, unchangeable
from face_comparison_operator.field_ownership import fields_of_others
from face_comparison_operator.objects.routes import with_acme_paths, without_acme_paths
from face_comparison_operator.resource import DIGEST_ANNOTATION, FaceComparison, Object
from face_comparison_operator.scale_from_zero import with_min_replicas

# Where a child differs that has fields of others: one repair removes all of them.
_OTHERS_FIELDS = "fields of others"


def find_drift(kind: ApiResource, body: Object, live: Object, history: ChildHistory) -> Difference | None:
    """Returns where the live child differs from `body`; None if it does not, or if it is stored as it was applied."""
    seen = (body["metadata"]["annotations"][DIGEST_ANNOTATION], str(live["metadata"]["resourceVersion"]))
    if history.right.get(kind.name) == seen:
        return None
    why = next(all_drift(kind, body, live), None)
    if why is None:
        history.right[kind.name] = seen
        history.settled.pop(kind.name, None)
    settled = history.settled.get(kind.name)
    return None if why is None or (settled and settled.version == version_of(body, live)) else why


def find_repaired(why: Difference, body: Object, live: Object, applied: Object) -> Difference | None:
    """Returns what applying `body` has corrected; an admission rule may have changed the rest back at once.

    Args:
        why: The difference because of which it was applied.
        body: The desired child.
        live: The live child before.
        applied: The live child after.

    Returns:
        `why` if it was corrected, or another difference that was; None if the same places still differ.
    """
    kind = kind_of(body)
    left = {each.where for each in all_drift(kind, body, applied)}
    return next((each for each in (why, *all_drift(kind, body, live)) if each.where not in left), None)


def all_drift(kind: ApiResource, body: Object, live: Object) -> Iterator[Difference]:
    """Yields every place where the live child differs from `body`, even where it is stored as it was applied."""
    yield from differences(body, without_acme_paths(live) if kind == INGRESS else live)
    if (why := unchangeable(body, live)) is not None:
        yield why
    if others := spec_fields_of_others(kind, live):
        yield Difference(_OTHERS_FIELDS, f"{', '.join(others[:3])} set by another manager")


def with_permitted_changes(kind: ApiResource, body: Object, live: Object, resource: FaceComparison) -> Object:
    """Returns the object to apply: `body` plus what others may write into `live`."""
    if kind == DEPLOYMENT:
        return with_min_replicas(body, live, resource.spec.autoscaling)
    return with_acme_paths(body, live) if kind == INGRESS else body


def spec_fields_of_others(kind: ApiResource, live: Object) -> list[str]:
    """Returns the spec fields that someone else has added; rules of an Ingress are compared separately."""
    return [each for each in fields_of_others(live) if not (kind == INGRESS and each.startswith("spec.rules"))]


def version_of(body: Object, live: Object) -> tuple[str, str]:
    """Returns the digest of the desired child and the version of the live one."""
    metadata = live["metadata"]
    digest = body["metadata"]["annotations"][DIGEST_ANNOTATION]
    return digest, str(metadata.get("generation") or metadata["resourceVersion"])
