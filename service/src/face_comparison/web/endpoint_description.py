"""The short description of the service: names, versions, and limits."""

from __future__ import annotations

from face_comparison import __version__
from face_comparison.api import responses
from face_comparison.api.limits import HASH_SIZE, MAX_FACES, MAX_TARGETS
from face_comparison.image.formats import READABLE
from face_comparison.settings import Settings
from face_comparison.vision.analyzer import ModelInfo


def description(
    settings: Settings, model: ModelInfo, permissions: tuple[str, ...] | None = None
) -> responses.ServiceDescription:
    """Returns the response to `GET` at the endpoint: names, versions, and limits.

    Args:
        settings: The options of the service.
        model: The running model.
        permissions: Permissions of the request's API key; None if keys are not required.
    """
    base = f"/{settings.stage}"
    calibration = model.calibration()
    return responses.ServiceDescription(
        name="face_comparison",
        version=__version__,
        face_model_version=model.version,
        endpoints=responses.Endpoints(
            detect=f"POST {base}/face_comparison",
            compare=f"POST {base}/face_comparison/compare",
            openapi=f"GET {base}/openapi.json",
            explorer=f"GET {base}/",
            collections=f"GET {base}/face_comparison/collections" if has_collections(settings) else None,
        ),
        auth=settings.auth,
        formats=tuple(each.label.lower() for each in READABLE),
        defaults=responses.Defaults(
            min_confidence=model.min_confidence,
            sure_confidence=model.sure_confidence,
            threshold=model.threshold,
            same_below=calibration.same_below,
            different_above=calibration.different_above,
            max_faces=MAX_FACES,
        ),
        limits=limits(settings),
        permissions=permissions,
    )


def has_collections(settings: Settings) -> bool:
    """Returns whether the service has a collection store."""
    return settings.collections is not None or settings.collections_file is not None


def limits(settings: Settings) -> responses.Limits:
    """Returns the limits of the service."""
    return responses.Limits(
        max_body_bytes=settings.max_body_bytes,
        max_fetch_bytes=settings.max_fetch_bytes,
        max_side_pixels=settings.max_side,
        max_faces=MAX_FACES,
        max_targets=MAX_TARGETS,
        face_hash_numbers=HASH_SIZE,
        request_seconds=settings.request_seconds,
        fetch_seconds=settings.fetch_seconds,
        queue=settings.queue,
    )
