"""Changes `stage` without a gap: which stages the route serves, and which former stage pods still answer.

Pods of both stages are behind one Service during the rollout, so new ones answer the former stage as well, and the
route stays with it. When all are new, the route serves both; when the new URL was seen to answer and the status
publishes it, the new one alone. Pods keep what they answer until something else replaces them.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from face_comparison_operator.resource import ENVIRONMENT, FaceComparison, Object

STAGE, FORMER_STAGE = f"{ENVIRONMENT}STAGE", f"{ENVIRONMENT}FORMER_STAGE"


def with_stage_migration(resource: FaceComparison, deployment: Object | None, *, complete: bool) -> FaceComparison:
    """Returns `resource` with its stages, from the published URL and the live Deployment.

    Args:
        resource: the resource.
        deployment: its live Deployment.
        complete: whether all its pods are new.
    """
    wanted, told = resource.spec.stage, published_stage(resource)
    own, former = _answered(deployment)
    if told in (None, wanted):
        return msgspec.structs.replace(resource, routed=(wanted,), former_stage=former if own == wanted else None)
    there = complete and (own, former) == (wanted, told)
    return msgspec.structs.replace(resource, routed=(wanted, told) if there else (told,), former_stage=told)


def published_stage(resource: FaceComparison) -> str | None:
    """Returns the stage of the URL in the status; None when there is none."""
    url: str = resource.status.get("url", "")
    return urlsplit(url).path.split("/")[1] if url else None


def _answered(deployment: Object | None) -> tuple[str | None, str | None]:
    """The stage of a live Deployment's pods, and the former one that they still answer."""
    containers = deployment["spec"]["template"]["spec"]["containers"] if deployment else []
    values = {each["name"]: each.get("value") for container in containers for each in container.get("env", [])}
    return values.get(STAGE), values.get(FORMER_STAGE)
