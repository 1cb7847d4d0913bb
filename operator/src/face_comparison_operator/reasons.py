"""Condition reasons that concern the resource itself.

Reasons about pods are in `pod_problems.py`, those about routes in `routing.py`.
"""

from __future__ import annotations

ACCEPTED = "Accepted"
INVALID_SPEC = "InvalidSpec"
NOT_PERMITTED = "NotPermitted"
NAME_CONFLICT = "NameConflict"
CHILD_TERMINATING = "ChildTerminating"
API_NOT_INSTALLED = "ApiNotInstalled"
APPLY_FAILED = "ApplyFailed"
PAUSED = "Paused"
TERMINATING = "Terminating"

DEPLOYED = "Deployed"
DEPLOYING = "Deploying"
PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
SCALED_TO_ZERO = "ScaledToZero"
NO_POD_READY = "NoPodReady"
PODS_AVAILABLE = "PodsAvailable"

ENDPOINT_REACHABLE = "EndpointReachable"
ENDPOINT_UNREACHABLE = "EndpointUnreachable"
CERTIFICATE_INVALID = "CertificateInvalid"

SCALING = "Scaling"
SCALER_PENDING = "ScalerPending"
METRICS_UNAVAILABLE = "MetricsUnavailable"

COLLECTIONS_AVAILABLE = "CollectionsAvailable"
COLLECTIONS_PENDING = "CollectionsPending"
STORE_UNAVAILABLE = "StoreUnavailable"
