"""Kubernetes operator for the FaceComparison resource: `objects` says what it makes, `runtime` how it runs."""

__version__ = "0.1.0"
