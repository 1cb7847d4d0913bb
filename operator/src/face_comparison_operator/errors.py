"""The closed set of errors of the operator.

This module uses only the standard library and knows nothing about HTTP clients: `api_client.py` maps the API server's
responses to these errors, and `manager.py` maps them to log levels.
"""

from __future__ import annotations

from typing import ClassVar

# Part of the API server's message for an object that cannot be created because its namespace is being deleted.
NAMESPACE_TERMINATING = "being terminated"


class OperatorError(Exception):
    """Base class of all errors. `code` identifies the kind of error in logs and metrics."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidSettings(OperatorError):
    """An option of the operator itself is invalid; a startup error."""

    code = "invalid_settings"


class InvalidSpec(OperatorError):
    """The spec of a resource cannot be parsed, because the schema in the cluster does not match the operator."""

    code = "invalid_spec"


class ClusterError(OperatorError):
    """A request to the API server failed."""

    code = "cluster_error"


class ClusterUnavailable(ClusterError):
    """There was no response, or one that means to retry: connection, time limit, 429, 5xx, expired credentials."""

    code = "cluster_unavailable"


class Conflict(ClusterError):
    """The object is not the one that was read: it has been changed, replaced, or created in between."""

    code = "conflict"


class NotFound(ClusterError):
    """The object does not exist."""

    code = "not_found"


class ApiNotInstalled(ClusterError):
    """The cluster does not have this API."""

    code = "api_not_installed"


class Forbidden(ClusterError):
    """The operator lacks the permission, or an admission rule or quota denies the request."""

    code = "forbidden"


class Rejected(ClusterError):
    """The API server rejects the object as invalid."""

    code = "rejected"
