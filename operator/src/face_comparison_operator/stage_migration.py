"""A change of `stage` without a gap: to which stages the route leads, and which one pods answer beside their own.

Pods of both stages are behind one Service while they are replaced, so new ones answer the former stage as well, and the
route stays with it. When all are new, the route leads to both; when the new URL was seen to answer and the status
names it, to the new one alone. Pods keep what they answer until something else replaces them.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from face_comparison_operator.resource import ENVIRONMENT, FaceComparison, Object

STAGE, FORMER_STAGE = f"{ENVIRONMENT}STAGE", f"{ENVIRONMENT}FORMER_STAGE"


def moving(resource: FaceComparison, deployment: Object | None, *, complete: bool) -> FaceComparison:
    """`resource` with its stages, by the URL told last and the live Deployment; `complete`: all its pods are new."""
    wanted, told = resource.spec.stage, _told(resource)
    own, former = _answered(deployment)
    if told in (None, wanted):
        return msgspec.structs.replace(resource, routed=(wanted,), former_stage=former if own == wanted else None)
    there = complete and (own, former) == (wanted, told)
    return msgspec.structs.replace(resource, routed=(wanted, told) if there else (told,), former_stage=told)


def _told(resource: FaceComparison) -> str | None:
    url: str = resource.status.get("url", "")
    return urlsplit(url).path.split("/")[1] if url else None


def _answered(deployment: Object | None) -> tuple[str | None, str | None]:
    """The stage of a live Deployment's pods, and the former one that they answer, too."""
    containers = deployment["spec"]["template"]["spec"]["containers"] if deployment else []
    values = {each["name"]: each.get("value") for container in containers for each in container.get("env", [])}
    return values.get(STAGE), values.get(FORMER_STAGE)
