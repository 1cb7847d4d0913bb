"""Describes why a child is not as desired, as refusals: its name is taken, it is being deleted, or it is contested."""

from __future__ import annotations

from dataclasses import replace

from face_comparison_operator import reasons
from face_comparison_operator.api_resources import ApiResource
from face_comparison_operator.contest import Repaired
from face_comparison_operator.diff import Difference
from face_comparison_operator.ownership import Ownership, is_terminating, ownership
from face_comparison_operator.refusals import Refusal
from face_comparison_operator.resource import DIGEST_ANNOTATION, FaceComparison, Object

MISSING, ORPHANED = Difference("", "it was deleted"), Difference("metadata.ownerReferences", "it has no owner")


def obstacle(resource: FaceComparison, kind: ApiResource, live: Object) -> Refusal | None:
    """Returns why the live object cannot be the child at present, or None if it can."""
    relation = ownership(resource, live)
    if relation is Ownership.FOREIGN:
        message = (
            f"the name of the {kind.name} {resource.child} is taken by an unrelated object: rename one of them, or "
            f"delete the other"
        )
        return Refusal(kind.name, reasons.NAME_CONFLICT, message)
    if relation is not Ownership.LEFT_OVER and not is_terminating(live):
        return None
    whose = "" if relation is Ownership.OWNED else f" of an earlier {resource.name}"
    message = f"the {kind.name} {resource.child}{whose} is still being deleted{_waits(live)}"
    return Refusal(kind.name, reasons.CHILD_TERMINATING, message)


def misdirected(
    resource: FaceComparison, kind: ApiResource, referent: ApiResource, result: Refusal | BaseException | None
) -> Refusal:
    """Returns a refusal for a child that would refer to somebody else's object.

    Args:
        resource: The resource.
        kind: The child's kind.
        referent: Kind of the child that it refers to by name.
        result: The result of applying that one.
    """
    reason = result.reason if isinstance(result, Refusal) else reasons.APPLY_FAILED
    message = f"the {kind.name} {resource.child} is not changed before the {referent.name} is its own"
    return Refusal(kind.name, reason, message)


def unfinished_prune(resource: FaceComparison, kind: ApiResource, live: Object) -> Refusal:
    """Returns a refusal for a child that is no longer desired, but whose deletion something delays."""
    message = f"the {kind.name} {resource.child}, which is no longer desired, is still being deleted{_waits(live)}"
    return Refusal(kind.name, reasons.CHILD_TERMINATING, message, required=False)


def contest(resource: FaceComparison, kind: ApiResource, why: str | None) -> Refusal | None:
    """Returns a refusal for a child that another program keeps changing; None if `why` is None."""
    if why is None:
        return None
    message = f"another program keeps changing the {kind.name} {resource.child}, which is repaired every 10 s: {why}"
    return Refusal(kind.name, reasons.APPLY_FAILED, message)


def repaired(body: Object, why: Difference) -> Repaired:
    """Returns what the repair of the child `body` concerns."""
    return Repaired(body["kind"], why.where, body["metadata"]["annotations"][DIGEST_ANNOTATION])


def with_writer(why: Difference, body: Object, live: Object) -> Difference:
    """Returns `why` with a hint if only an operator can have written `live`: each writes its own digest."""
    digests = [(each["metadata"].get("annotations") or {}).get(DIGEST_ANNOTATION) for each in (body, live)]
    if digests[1] in (None, digests[0]):
        return why
    return replace(why, text=f"{why.text}; does a second operator manage this namespace?")


def _waits(live: Object) -> str:
    finalizers = ", ".join(live["metadata"].get("finalizers") or [])
    return f", which waits for {finalizers}" if finalizers else ""
