"""Kubernetes operator for the FaceComparison resource. See `handlers` for what it watches and `objects` for what it makes."""

__version__ = "0.1.0"
