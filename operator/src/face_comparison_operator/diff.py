"""Detects drift of a live object from its desired state, and describes the first difference.

The API server adds defaults and other programs add fields, so a live object is correct if it contains everything that
is desired. Exceptions are mappings in which an additional entry changes the meaning, such as selectors. Fields that are
no longer desired are detected by the digest in an annotation of each child.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import InvalidOperation
from typing import Any

import msgspec

from face_comparison_operator.quantity import parse_quantity
from face_comparison_operator.resource import DIGEST_ANNOTATION, Object

# Fields that identify the elements of a list, so that an inserted element does not shift the others.
_IDENTITIES = ("name", "mountPath", "type", "containerPort", "topologyKey")
# Fields with quantities, which the API server normalizes: 1000m is returned as 1.
_AMOUNTS = ("limits", "requests", "sizeLimit")
# Mappings that must not have additional entries.
_EXACT = (
    *("selector", "podSelector", "labelSelector", "namespaceSelector", "matchLabels", "nodeSelector"),
    *("scaleTargetRef", "target"),
    "rules[0]",  # of an Ingress: an additional host would exclude all other hosts
)


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where a live object is not as desired.

    Attributes:
        where: the path of the field.
        text: a description, with the path and the live value.
    """

    where: str
    text: str


def with_desired_digest(desired: Object) -> Object:
    """Returns `desired` with an annotation that contains its digest."""
    canonical = msgspec.json.encode(desired, order="deterministic")
    metadata = desired["metadata"]
    annotations = {**metadata.get("annotations", {}), DIGEST_ANNOTATION: hashlib.sha256(canonical).hexdigest()[:16]}
    return {**desired, "metadata": {**metadata, "annotations": annotations}}


def difference(desired: Any, live: Any) -> Difference | None:
    """Finds the first place where `live` lacks or contradicts `desired`; None if there is none."""
    return next(differences(desired, live), None)


def differences(desired: Any, live: Any, where: str = "", amount: bool = False) -> Iterator[Difference]:
    """Yields the places where `live` lacks or contradicts `desired`."""
    if isinstance(desired, dict):
        if not isinstance(live, dict):
            if desired or live is not None:  # The API server omits empty mappings.
                yield Difference(where, f"{where} is {_short(live)}")
            return
        for name, value in desired.items():
            yield from differences(value, live.get(name), f"{where}.{name}".strip("."), amount or name in _AMOUNTS)
        extra = live.keys() - desired.keys() if where.rpartition(".")[2] in _EXACT else ()
        if extra:
            yield Difference(where, f"{where} has {_short(sorted(extra))} in addition")
    elif isinstance(desired, list):
        yield from _list_differences(desired, live or [], where, amount)
    elif not (desired == live or (live is None and desired in ("", False)) or (amount and _same_amount(desired, live))):
        yield Difference(where, f"{where} is {_short(live)} instead of {_short(desired)}")


def unchangeable(desired: Object, live: Object) -> Difference | None:
    """Returns what of `live` is wrong and can never be changed; None: applying `desired` makes it right.

    Args:
        desired: The desired child.
        live: The live child, of the same kind.

    Returns:
        The wrong field; None if applying `desired` corrects the child.
    """
    desired_spec, live_spec = desired.get("spec", {}), live.get("spec", {})
    if desired["kind"] == "Deployment" and live_spec.get("selector") != desired_spec["selector"]:
        return Difference("spec.selector", f"spec.selector is {_short(live_spec.get('selector'))}")
    if desired["kind"] == "Service" and live_spec.get("clusterIP") == "None":
        return Difference("spec.clusterIP", "spec.clusterIP is None")
    return None


def _list_differences(desired: list[Any], live: list[Any], where: str, amount: bool) -> Iterator[Difference]:
    identity = _identity(desired)
    if identity is None:
        if len(desired) != len(live):
            yield Difference(where, f"{where} has {len(live)} entries instead of {len(desired)}")
            return
        pairs = [(f"{where}[{index}]", *pair) for index, pair in enumerate(zip(desired, live, strict=True))]
    else:
        by_name = {each.get(identity): each for each in live if isinstance(each, dict)}
        pairs = [(f"{where}[{each[identity]}]", each, by_name.get(each[identity])) for each in desired]
    for path, desired_entry, live_entry in pairs:
        yield from differences(desired_entry, live_entry, path, amount)


def _identity(desired: list[Any]) -> str | None:
    for name in _IDENTITIES:
        if desired and all(isinstance(each, dict) and name in each for each in desired):
            values = [each[name] for each in desired]
            if len(set(values)) == len(values):
                return name
    return None


def _same_amount(first: Any, second: Any) -> bool:
    try:
        return parse_quantity(first) == parse_quantity(second)
    except InvalidOperation:
        return False


def _short(value: Any) -> str:
    text = "missing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
