"""Reads and changes field ownership of live objects (`metadata.managedFields`), as needed for server-side apply."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from face_comparison_operator.resource import MANAGER, Object

# Fields that others may set: annotations of the pod template (`kubectl rollout restart`), a second address family.
_LEFT_TO_OTHERS = (
    ("f:spec", "f:template", "f:metadata"),
    *(("f:spec", name) for name in ("f:ipFamilyPolicy", "f:ipFamilies", "f:clusterIPs")),
)
# Key in the metadata of a cached object for the result of `fields_of_others`.
OTHERS_FIELDS = "fieldsOfOthers"
# Key in the metadata of a cached object for the result of `status_written`.
STATUS_WRITTEN = "statusWritten"


def transferred(entries: list[Object], body: Object, *, exclusive: bool = False) -> list[Object] | None:
    """Transfers ownership to one Apply entry of the operator, so that applying removes what is no longer desired.

    Args:
        entries: The live `managedFields`.
        body: The object that is about to be applied.
        exclusive: Whether to also take the spec from all other managers, except what they may write.

    Returns:
        The entries to write, or None if nothing has to change.
    """
    ours = [each for each in entries if each.get("manager") == MANAGER and not each.get("subresource")]
    other_entries = [each for each in entries if each not in ours]
    fields: Object = {}
    for each in ours:
        fields = _merged(fields, each.get("fieldsV1", {}))
    remaining_entries: list[Object] = []
    if exclusive:
        for each in other_entries:
            fields, reduced = _take_spec(fields, each)
            if reduced is not None:
                remaining_entries.append(reduced)
    else:
        remaining_entries = other_entries
    # Ownership of the replica count is dropped: if an apply removed the field, the count would fall to 1 at the moment
    # when an autoscaler takes over.
    if "replicas" not in body.get("spec", {}):
        fields.get("f:spec", {}).pop("f:replicas", None)
    unchanged = [(each["operation"], each.get("fieldsV1", {})) for each in ours] == [("Apply", fields)]
    if not fields or (unchanged and remaining_entries == other_entries):
        return None
    first = ours[0] if ours else {"manager": MANAGER, "apiVersion": body["apiVersion"], "fieldsType": "FieldsV1"}
    return [*remaining_entries, {**first, "operation": "Apply", "fieldsV1": fields}]


def transfer_patch(live: Object, body: Object, fields: list[Object]) -> list[Object]:
    """Builds the JSON patch that writes `fields` as the field ownership of `live` and does not touch its spec.

    It also adds the labels and the owner of `body`, because an admission policy restricts the operator to objects that
    have them.

    Args:
        live: The object as it was read.
        body: The object that is about to be applied.
        fields: The `managedFields` to write.
    """
    metadata, desired = live["metadata"], body["metadata"]
    labels = {**(metadata.get("labels") or {}), **(desired.get("labels") or {})}
    mine = desired.get("ownerReferences") or []
    uids = {owner["uid"] for owner in mine}
    owners = [*(each for each in metadata.get("ownerReferences") or [] if each["uid"] not in uids), *mine]
    values = {"managedFields": fields, "resourceVersion": metadata["resourceVersion"]}
    if labels != (metadata.get("labels") or {}):
        values["labels"] = labels
    if any(owner not in (metadata.get("ownerReferences") or []) for owner in mine):
        values["ownerReferences"] = owners
    return [{"op": "add", "path": f"/metadata/{name}", "value": value} for name, value in values.items()]


def fields_of_others(live: Object) -> list[str]:
    """Returns the spec fields owned only by other managers, except what they may write.

    Args:
        live: An object with its `managedFields`, or as stored in the cache.
    """
    metadata = live["metadata"]
    if OTHERS_FIELDS in metadata:
        cached: list[str] = metadata[OTHERS_FIELDS]
        return cached
    entries = metadata.get("managedFields") or []
    theirs = [each for each in entries if each.get("manager") != MANAGER and not each.get("subresource")]
    theirs = [each for each in theirs if each.get("fieldsV1", {}).get("f:spec")]
    if not theirs:
        return []
    ours = {
        prefix
        for each in entries
        if each.get("manager") == MANAGER and not each.get("subresource")
        for path in _leaves(each.get("fieldsV1", {}))
        for prefix in (path[:length] for length in range(1, len(path) + 1))
    }
    added = {path for each in theirs for path in _leaves({"f:spec": each["fieldsV1"]["f:spec"]})} - ours
    exempt = (*_LEFT_TO_OTHERS, ("f:spec", "f:replicas"))
    return sorted(_readable(path) for path in added if not any(path[: len(each)] == each for each in exempt))


def status_written(live: Object) -> str:
    """Returns when the status was last written, by the API server's clock (RFC 3339, UTC); empty: unknown.

    Args:
        live: An object with its `managedFields`, or as stored in the cache.
    """
    metadata = live.get("metadata", {})
    entries = [each for each in metadata.get("managedFields") or [] if each.get("subresource") == "status"]
    return str(metadata.get(STATUS_WRITTEN) or max((each.get("time", "") for each in entries), default=""))


def others_own_spec(live: Object) -> bool:
    """Returns whether another manager owns a field of the spec, which may conflict with the operator's."""
    return any(
        "f:spec" in each.get("fieldsV1", {})
        for each in live["metadata"].get("managedFields") or []
        if each.get("manager") != MANAGER and not each.get("subresource")
    )


def _take_spec(fields: Object, entry: Object) -> tuple[Object, Object | None]:
    """Moves the spec fields of another manager's entry to the operator's.

    Args:
        fields: The operator's fields.
        entry: The other manager's entry.

    Returns:
        The operator's fields after the move, and the rest of the entry, if any.
    """
    theirs = entry.get("fieldsV1", {})
    if entry.get("subresource") or "f:spec" not in theirs:
        return fields, entry
    remaining = {name: value for name, value in theirs.items() if name != "f:spec"}
    retained = _only(theirs, _LEFT_TO_OTHERS)
    transferred = {"f:spec": _without(theirs["f:spec"], [path[1:] for path in _LEFT_TO_OTHERS])}
    remaining = _merged(remaining, retained)
    return _merged(fields, transferred), ({**entry, "fieldsV1": remaining} if remaining else None)


def _leaves(fields: Object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in fields.items():
        if name == ".":
            continue
        inner = list(_leaves(value, (*path, name)))
        yield from inner or [(*path, name)]


def _readable(path: tuple[str, ...]) -> str:
    """Formats a path, for example `spec.template.spec.containers[name=sidecar].image`."""
    text = ""
    for step in path:
        kind, _, name = step.partition(":")
        if kind == "k":
            text += "[" + ",".join(f"{key}={value}" for key, value in msgspec.json.decode(name).items()) + "]"
        else:
            text += f".{name}" if kind == "f" else f"[{name}]"
    return text.removeprefix(".")


def _merged(first: Object, second: Object) -> Object:
    return {**first, **{name: _merged(first.get(name, {}), value) for name, value in second.items()}}


def _without(fields: Object, paths: list[tuple[str, ...]]) -> Object:
    remaining = {}
    for name, value in fields.items():
        inner = [path[1:] for path in paths if path[0] == name]
        if () in inner:
            continue
        remaining[name] = _without(value, inner) if inner else value
    return remaining


def _only(fields: Object, paths: tuple[tuple[str, ...], ...]) -> Object:
    selected: Object = {}
    for path in paths:
        inner: Any = fields
        for name in path:
            inner = inner.get(name) if isinstance(inner, dict) else None
        if inner is not None:
            nested: Any = inner
            for name in reversed(path):
                nested = {name: nested}
            selected = _merged(selected, nested)
    return selected
