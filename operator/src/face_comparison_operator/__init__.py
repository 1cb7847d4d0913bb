"""Kubernetes operator for the FaceComparison resource: `objects` builds what it creates, `manager` runs it."""

__version__ = "0.1.0"
