"""The closed set of failures of the operator.

Standard library only, and nothing of HTTP clients: `api_client.py` holds the one table from the API server's answers to
these, `manager.py` the one from these to what happens next (retry soon, retry later, tell the user).
"""

from __future__ import annotations

from typing import ClassVar


class OperatorError(Exception):
    """Base of all failures. `code` names the kind in logs and metrics."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidSettings(OperatorError):
    """An option of the operator itself that cannot be; stops the start."""

    code = "invalid_settings"


class InvalidSpec(OperatorError):
    """A resource whose spec cannot be read, because the schema in the cluster is not the operator's."""

    code = "invalid_spec"


class ClusterError(OperatorError):
    """A request that the API server did not fulfil."""

    code = "cluster_error"


class ClusterUnavailable(ClusterError):
    """No answer, or one that says to try again: connection, time limit, 429, 5xx, credentials that ran out."""

    code = "cluster_unavailable"


class Conflict(ClusterError):
    """The object is not the one that was looked at: changed, replaced, or made by someone in between."""

    code = "conflict"


class NotFound(ClusterError):
    """The object is not there."""

    code = "not_found"


class ApiMissing(ClusterError):
    """The cluster does not know this kind of object."""

    code = "api_missing"


class Forbidden(ClusterError):
    """The operator lacks the right, or an admission rule or quota says no."""

    code = "forbidden"


class Rejected(ClusterError):
    """The API server says that the object is not valid."""

    code = "rejected"
