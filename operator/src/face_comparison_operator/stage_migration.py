"""Changes `stage` without a gap: determines which stages the route serves, and which previous stage pods still serve.

During the rollout, pods of both stages are behind one Service, so new pods also serve the previous stage, and the route
keeps it. Once all pods are new, the route serves both; once the new URL has responded and the status publishes it, only
the new one. Pods keep serving both until something else replaces them.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from face_comparison_operator.resource import ENVIRONMENT, FaceComparison, Object

STAGE, FORMER_STAGE = f"{ENVIRONMENT}STAGE", f"{ENVIRONMENT}FORMER_STAGE"


def with_stage_migration(resource: FaceComparison, deployment: Object | None, *, complete: bool) -> FaceComparison:
    """Returns a resource with its stages, which follow from the published URL and the live Deployment.

    Args:
        resource: The resource.
        deployment: Its live Deployment, if any.
        complete: Whether all pods are of the current version.
    """
    stage, published = resource.spec.stage, published_stage(resource)
    current, former = _answered(deployment)
    if published in (None, stage):
        return msgspec.structs.replace(resource, routed=(stage,), former_stage=former if current == stage else None)
    is_migrated = complete and (current, former) == (stage, published)
    return msgspec.structs.replace(
        resource, routed=(stage, published) if is_migrated else (published,), former_stage=published
    )


def published_stage(resource: FaceComparison) -> str | None:
    """Returns the stage of the URL in the status, or None if there is none."""
    try:
        path = urlsplit(resource.status.get("url", "")).path
    except ValueError:  # of a status that somebody has edited
        return None
    return path.partition("/")[2].partition("/")[0] or None


def _answered(deployment: Object | None) -> tuple[str | None, str | None]:
    """Returns the stage of a live Deployment's pods, and the previous stage that they still serve."""
    containers = deployment["spec"]["template"]["spec"]["containers"] if deployment else []
    values = {each.get("name"): each.get("value") for container in containers for each in container.get("env") or []}
    return values.get(STAGE), values.get(FORMER_STAGE)
